# The CUDA kernels and the device's host code, compiled twice: by nvcc for GPUs, and by g++ over the runtime that executes
# them on the CPU. Each becomes a shared library that the program loads on demand; they cannot share one link.

set(CUELBO_CUDA OFF CACHE BOOL "Build the device cuda, which needs nvcc")
set(CUELBO_CUDA_ARCHITECTURES "80-real;90-real;120-real;120-virtual" CACHE STRING "GPUs to compile the kernels for")

file(GLOB_RECURSE cuelbo_cuda_kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*.cu")
file(GLOB cuelbo_cuda_device CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/engine/cuda/*.cpp")

# cuelbo_device_module(<name> LINK <library>…): libcuelbo_<name>.so beside the program.
function(cuelbo_device_module name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_library(cuelbo_${name}_module MODULE ${cuelbo_cuda_device})
  set_target_properties(cuelbo_${name}_module PROPERTIES OUTPUT_NAME cuelbo_${name}
                        LIBRARY_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  target_include_directories(cuelbo_${name}_module PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(cuelbo_${name}_module PRIVATE ${arg_LINK} cuelbo_kernels fmt::fmt)
  target_link_options(cuelbo_${name}_module PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined)
endfunction()

# Fibers switch stacks without announcing it to ThreadSanitizer.
if(CUELBO_CUDA_INCLUDE AND NOT CUELBO_SANITIZE MATCHES "thread")
  # g++ takes a file's language from its name, which nvcc has a claim on: it gets sources that include the .cu files.
  set(simt_kernels "")
  foreach(file IN LISTS cuelbo_cuda_kernels)
    file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}" "${file}")
    string(REGEX REPLACE "\\.cu$" ".cpp" source "${PROJECT_BINARY_DIR}/generated/simt/${path}")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"${path}\"\n")
    list(APPEND simt_kernels "${source}")
  endforeach()

  add_library(cuelbo_simt_options INTERFACE)
  target_include_directories(cuelbo_simt_options INTERFACE "${PROJECT_SOURCE_DIR}")
  target_include_directories(cuelbo_simt_options SYSTEM INTERFACE "${CUELBO_CUDA_INCLUDE}")
  target_compile_definitions(cuelbo_simt_options INTERFACE CUELBO_SIMT=1)
  if(CUELBO_HAVE_CUDA_LIBRARIES)
    target_include_directories(cuelbo_simt_options SYSTEM INTERFACE ${cuelbo_library_includes})
    target_compile_definitions(cuelbo_simt_options INTERFACE CUELBO_HAVE_CUDA_LIBRARIES=1)
  endif()
  # For faults in kernels: a large frame may not leap over the guard of a stack, and addr2line takes the file of an inlined
  # call in DWARF 5 for another one (binutils 2.40).
  set(cuelbo_simt_faults -fstack-clash-protection -gdwarf-4)
  # The compiler announces every access of a kernel to kernels/runtime/simt/checked, which replaces ThreadSanitizer's
  # runtime. Without -fno-tree-sra, a float4 is four accesses; inlining shows it results that go straight to memory.
  # The compiler would turn some divisions by zero into code that does not trap. Of shifts and conversions without a defined
  # result, an x86 processor gives another one than a GPU.
  set(cuelbo_simt_undefined integer-divide-by-zero,shift-exponent,float-cast-overflow)
  set(cuelbo_simt_instrumented -O1 -g1 ${cuelbo_simt_faults} -fsanitize=thread -fsanitize-coverage=trace-pc --param=tsan-instrument-func-entry-exit=0
                               -fsanitize=${cuelbo_simt_undefined} -fno-sanitize-recover=${cuelbo_simt_undefined} -fno-tree-sra -fno-reorder-blocks -Wno-tsan -Wno-unknown-pragmas -fno-profile-arcs -fno-test-coverage)

  # cuelbo_simt_objects(<name> SOURCES <source>… OPTIONS <compiler option>…)
  function(cuelbo_simt_objects name)
    cmake_parse_arguments(arg "" "" "SOURCES;OPTIONS" ${ARGN})
    add_library(${name} OBJECT ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE cuelbo_simt_options)
    target_compile_options(${name} PRIVATE -Wno-unknown-pragmas -Wno-maybe-uninitialized ${arg_OPTIONS})
  endfunction()
  cuelbo_sources(simt_runtime kernels/runtime/simt "kernels/runtime/simt/(checked|source)")
  if(NOT CUELBO_HAVE_CUDA_LIBRARIES)
    list(FILTER simt_runtime EXCLUDE REGEX "/simt/libraries/")
  endif()
  cuelbo_sources(simt_checker kernels/runtime/simt/checked)
  # Not -mtls-dialect=gnu2, fast as it is: glibc before 2.40 lets it clobber vector registers in a loaded module.
  # g++ ignores `#pragma unroll`; this unrolls what a kernel expects to be unrolled. It cannot follow what a tile holds.
  cuelbo_simt_objects(cuelbo_simt_runtime SOURCES ${simt_runtime})
  cuelbo_simt_objects(cuelbo_simt_kernels SOURCES ${simt_kernels}
                      OPTIONS ${cuelbo_simt_faults} --param=max-completely-peeled-insns=4000 --param=max-completely-peel-times=64)

  # cuelbo_simt_library(<name> <objects>…). Of an inline function the linker keeps the first copy: the runtime comes first,
  # so that its own accesses are never announced.
  function(cuelbo_simt_library name)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE cuelbo_simt_options)
    foreach(objects IN LISTS ARGN)
      target_sources(${name} INTERFACE $<TARGET_OBJECTS:${objects}>)
    endforeach()
  endfunction()
  cuelbo_simt_library(cuelbo_simt cuelbo_simt_runtime cuelbo_simt_kernels)
  cuelbo_device_module(simt LINK cuelbo_simt)
  if(NOT CUELBO_SANITIZE)  # an object has room for one sanitizer
    cuelbo_simt_objects(cuelbo_simt_checker SOURCES ${simt_checker})
    cuelbo_simt_objects(cuelbo_simt_checked_kernels SOURCES ${simt_kernels} OPTIONS ${cuelbo_simt_instrumented})
    cuelbo_simt_library(cuelbo_simt_checked_runtime cuelbo_simt_runtime cuelbo_simt_checker)
    cuelbo_simt_library(cuelbo_simt_checked cuelbo_simt_runtime cuelbo_simt_checker cuelbo_simt_checked_kernels)
    cuelbo_device_module(simt_checked LINK cuelbo_simt_checked)
    include(source_module)
  endif()
endif()

if(CUELBO_CUDA)
  set(CMAKE_CUDA_ARCHITECTURES "${CUELBO_CUDA_ARCHITECTURES}")
  find_program(CMAKE_CUDA_COMPILER nvcc PATHS ENV CUDA_PATH /usr/local/cuda ${cuelbo_cuda_wheels} PATH_SUFFIXES bin)
  enable_language(CUDA)
  # CMake 3.25 does not find out that nvcc 13 has C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  find_package(CUDAToolkit REQUIRED)
  cuelbo_device_module(cuda LINK CUDA::cudart)
  target_sources(cuelbo_cuda_module PRIVATE ${cuelbo_cuda_kernels})
  if(CUELBO_HAVE_CUDA_LIBRARIES)
    foreach(library cublas cublasLt curand cudnn)
      find_library(CUELBO_${library}_LIBRARY ${library} PATHS ${cuelbo_cuda_folders} PATH_SUFFIXES lib64 lib REQUIRED)
      target_link_libraries(cuelbo_cuda_module PRIVATE "${CUELBO_${library}_LIBRARY}")
    endforeach()
    target_include_directories(cuelbo_cuda_module SYSTEM PRIVATE ${cuelbo_library_includes})
    target_compile_definitions(cuelbo_cuda_module PRIVATE CUELBO_HAVE_CUDA_LIBRARIES=1)
  endif()
  message(STATUS "✓ CUDA ${CUDAToolkit_VERSION} for ${CUELBO_CUDA_ARCHITECTURES}")
else()
  message(STATUS "✗ CUDA: the device cuda is not built (cmake --preset cuda builds it)")
endif()
