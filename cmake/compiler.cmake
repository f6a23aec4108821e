# Compiler settings shared by every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

set(CUELBO_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread; empty for none")
option(CUELBO_COVERAGE "Instrument for line coverage" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "")

find_package(Threads REQUIRED)

# Properties of targets:
# - cuelbo_compile_quickly: for what need not be fast; -O1 takes two thirds of the time that -O3 takes to compile.
# - cuelbo_uninstrumented: sanitizers watch what these call, not these.
# Line tables are enough debug information for a report, and compile a fifth faster than all of it.
set(cuelbo_optimisation -O1)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(cuelbo_optimisation -O3)
endif()
set(cuelbo_quickly "$<BOOL:$<TARGET_PROPERTY:cuelbo_compile_quickly>>")
set(cuelbo_instrumented "$<NOT:$<BOOL:$<TARGET_PROPERTY:cuelbo_uninstrumented>>>")
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:$<IF:${cuelbo_quickly},-O1,${cuelbo_optimisation}>;-g1>")

# Bit-for-bit reproducibility: no contraction into fma behind our back, no value-changing optimisation.
set(cuelbo_cxx_options -ffp-contract=off -fno-math-errno -fno-trapping-math
                       -Wall -Wextra -Wpedantic -Wshadow -Werror
                       -Wno-missing-field-initializers)  # designated initializers leave the rest at its default
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${cuelbo_cxx_options}>")
# A kernel that spills registers or keeps an array in local memory does not compile.
add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings>"
                    "$<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=--warn-on-spills,--warn-on-local-memory-usage,--warning-as-error>")

if(CUELBO_SANITIZE)
  # Instrumented code makes g++ 12 see uninitialised members in std::function.
  set(cuelbo_sanitizer_options -fsanitize=${CUELBO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
                               -Wno-maybe-uninitialized)
  add_compile_options("$<${cuelbo_instrumented}:${cuelbo_sanitizer_options}>")
  add_link_options(-fsanitize=${CUELBO_SANITIZE})
endif()
if(CUELBO_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

# Folders share one cache, those of other clones too: paths are relative to the checkout, in debug information as well.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>")
find_program(CUELBO_CCACHE ccache)
foreach(language CXX CUDA)
  if(CUELBO_CCACHE AND NOT CMAKE_${language}_COMPILER_LAUNCHER)
    set(CMAKE_${language}_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_NOHASHDIR=1 "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "${CUELBO_CCACHE}")
  endif()
endforeach()
