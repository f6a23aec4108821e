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

# NVIDIA's libraries, which some variants of kernels call. The device simt needs their headers only; CUB and Thrust
# consist of headers, which nvcc finds itself. All of them or none.
file(GLOB cuelbo_cudnn_wheel "${PROJECT_SOURCE_DIR}/build/cuda-toolkit/lib/python3*/site-packages/nvidia/cudnn")
set(cuelbo_cuda_folders ENV CUDA_PATH /usr/local/cuda ${cuelbo_cuda_wheels} ${cuelbo_cudnn_wheel})
find_path(CUELBO_CUBLAS_INCLUDE cublasLt.h PATHS ${cuelbo_cuda_folders} PATH_SUFFIXES include)
find_path(CUELBO_CURAND_INCLUDE curand.h PATHS ${cuelbo_cuda_folders} PATH_SUFFIXES include)
find_path(CUELBO_CUDNN_INCLUDE cudnn.h PATHS ${cuelbo_cuda_folders} PATH_SUFFIXES include)
find_path(CUELBO_CCCL_INCLUDE cub/cub.cuh PATHS ${cuelbo_cuda_folders} PATH_SUFFIXES include/cccl include)
set(cuelbo_library_includes ${CUELBO_CUBLAS_INCLUDE} ${CUELBO_CURAND_INCLUDE} ${CUELBO_CUDNN_INCLUDE})
set(cuelbo_missing_libraries "")
foreach(library CUBLAS CURAND CUDNN CCCL)
  if(NOT CUELBO_${library}_INCLUDE)
    list(APPEND cuelbo_missing_libraries ${library})
  endif()
endforeach()
if(cuelbo_missing_libraries)
  list(JOIN cuelbo_missing_libraries ", " cuelbo_missing_libraries)
  message(STATUS "✗ headers of ${cuelbo_missing_libraries}: variants that call NVIDIA's libraries are not built "
                 "(bash tools/setup.sh --cuda installs them)")
elseif(CUELBO_CUDA_INCLUDE)
  set(CUELBO_HAVE_CUDA_LIBRARIES TRUE)
  file(STRINGS "${CUELBO_CUDNN_INCLUDE}/cudnn_version.h" cuelbo_cudnn REGEX "define CUDNN_(MAJOR|MINOR) ")
  string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2" cuelbo_cudnn "${cuelbo_cudnn}")
  message(STATUS "✓ headers of cuBLAS, cuRAND, cuDNN ${cuelbo_cudnn}, CUB and Thrust")
endif()

if(cuelbo_missing)
  message(FATAL_ERROR "Missing:${cuelbo_missing}\n`bash tools/setup.sh` installs what is missing.")
endif()
