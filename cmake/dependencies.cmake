# Finds the libraries and prints what was found, one line each.

find_package(PkgConfig QUIET)
set(cuelbo_missing "")

# cuelbo_report(<name> <found> <version> <Debian package> [OPTIONAL])
function(cuelbo_report name found version package)
  if(found)
    message(STATUS "✓ ${name} ${version}")
  elseif("OPTIONAL" IN_LIST ARGN)
    message(STATUS "✗ ${name}: not built (Debian: ${package})")
  else()
    message(STATUS "✗ ${name}: required (Debian: ${package})")
    set(cuelbo_missing "${cuelbo_missing} ${package}" PARENT_SCOPE)
  endif()
endfunction()

cuelbo_report("${CMAKE_CXX_COMPILER_ID}" TRUE "${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}" g++)
cuelbo_report("ccache (optional)" "${CUELBO_CCACHE}" "" ccache OPTIONAL)

find_package(CLI11 QUIET)
cuelbo_report("CLI11" "${CLI11_FOUND}" "${CLI11_VERSION}" libcli11-dev)

find_package(fmt QUIET)
cuelbo_report("fmt" "${fmt_FOUND}" "${fmt_VERSION}" libfmt-dev)

find_package(nlohmann_json QUIET)
cuelbo_report("nlohmann-json" "${nlohmann_json_FOUND}" "${nlohmann_json_VERSION}" nlohmann-json3-dev)

find_package(tomlplusplus QUIET)
cuelbo_report("toml++" "${tomlplusplus_FOUND}" "${tomlplusplus_VERSION}" libtomlplusplus-dev)

find_package(ZLIB QUIET)
cuelbo_report("zlib" "${ZLIB_FOUND}" "${ZLIB_VERSION_STRING}" zlib1g-dev)

# libzip's own CMake package demands command-line tools that Debian ships separately.
if(PkgConfig_FOUND)
  pkg_check_modules(LIBZIP QUIET IMPORTED_TARGET libzip)
endif()
cuelbo_report("libzip" "${LIBZIP_FOUND}" "${LIBZIP_VERSION}" "libzip-dev pkg-config")

find_package(PNG QUIET)
cuelbo_report("libpng" "${PNG_FOUND}" "${PNG_VERSION_STRING}" libpng-dev)

find_package(JPEG QUIET)
cuelbo_report("libjpeg" "${JPEG_FOUND}" "${JPEG_VERSION}" libjpeg62-turbo-dev)

find_package(GTest QUIET)
cuelbo_report("GoogleTest (tests)" "${GTest_FOUND}" "${GTest_VERSION}" "libgtest-dev libgmock-dev" OPTIONAL)

find_package(benchmark QUIET)
cuelbo_report("Google Benchmark (bench)" "${benchmark_FOUND}" "${benchmark_VERSION}" libbenchmark-dev OPTIONAL)

# The SIMT device compiles the .cu files against NVIDIA's headers; it needs neither nvcc nor a driver.
file(GLOB cuelbo_cuda_wheels "${PROJECT_SOURCE_DIR}/build/cuda-toolkit/lib/python3*/site-packages/nvidia/cu13")
find_path(CUELBO_CUDA_INCLUDE cuda_runtime_api.h
          PATHS ENV CUDA_PATH /usr/local/cuda ${cuelbo_cuda_wheels} PATH_SUFFIXES include)
set(cuelbo_cuda_version "")
if(CUELBO_CUDA_INCLUDE)
  file(STRINGS "${CUELBO_CUDA_INCLUDE}/cuda_runtime_api.h" cuelbo_cudart REGEX "define CUDART_VERSION")
  string(REGEX MATCH "[0-9]+" cuelbo_cudart "${cuelbo_cudart}")
  math(EXPR cuelbo_cuda_major "${cuelbo_cudart} / 1000")
  math(EXPR cuelbo_cuda_minor "${cuelbo_cudart} % 1000 / 10")
  set(cuelbo_cuda_version "${cuelbo_cuda_major}.${cuelbo_cuda_minor}")
  message(STATUS "✓ CUDA headers (SIMT) ${cuelbo_cuda_version}")
else()
  message(STATUS "✗ CUDA headers: the device simt is not built (bash tools/setup.sh installs them)")
endif()

if(cuelbo_missing)
  message(FATAL_ERROR "Missing:${cuelbo_missing}\n`bash tools/setup.sh` installs what is missing.")
endif()
