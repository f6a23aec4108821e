# One target per folder, made of the sources found in it; a folder without sources has no target or only headers.

include(GoogleTest)

function(cuelbo_sources variable folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
  if(ARGN)
    list(FILTER sources EXCLUDE REGEX "/${ARGV2}/")
  endif()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()

# Makes a static library of the sources, or an interface library if there are none.
function(cuelbo_add_library name sources)
  if(sources)
    add_library(${name} STATIC ${sources})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${name} ${scope} "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} ${scope} Threads::Threads ${ARGN})
endfunction()

# The objects of these targets are the same in every build, so that a compiler cache has them after the first; instrumented,
# they would take three times as long. CUELBO_SANITIZED tells them. The instrumented libraries come first on the linker's
# command line, which keeps their copies of inline functions.
function(cuelbo_leave_uninstrumented)
  foreach(name IN LISTS ARGN)
    if(NOT TARGET ${name})
      continue()
    endif()
    if(name MATCHES "_tests$")
      target_compile_options(${name} PRIVATE -UNDEBUG)
    elseif(CUELBO_SANITIZE)
      target_compile_definitions(${name} PRIVATE NDEBUG)
    endif()
    if(CUELBO_SANITIZE)
      set_target_properties(${name} PROPERTIES cuelbo_uninstrumented TRUE)
      target_compile_definitions(${name} PRIVATE CUELBO_SANITIZED)
      set(libraries "")
      get_target_property(linked ${name} LINK_LIBRARIES)
      foreach(library IN ITEMS cuelbo_lab cuelbo_models cuelbo_engine cuelbo_kernels)
        if(library IN_LIST linked OR libraries)
          string(APPEND libraries " $<TARGET_FILE:${library}>")
        endif()
      endforeach()
      target_link_options(${name} PRIVATE "SHELL:-Wl,--whole-archive${libraries} -Wl,--no-whole-archive")
    endif()
  endforeach()
endfunction()

# cuelbo_library(<name> FOLDER <folder> [EXCLUDE <subfolder>] [LINK <library>…])
function(cuelbo_library name)
  cmake_parse_arguments(arg "" "FOLDER;EXCLUDE" "LINK" ${ARGN})
  cuelbo_sources(sources ${arg_FOLDER} ${arg_EXCLUDE})
  cuelbo_add_library(${name} "${sources}" ${arg_LINK})
endfunction()

# Sanitizers watch one path by plain vectors and, for bad addresses, one by intrinsics: what differs between paths is the
# vector length. Release builds test all of them.
set(cuelbo_isas baseline)
set(cuelbo_isa_definitions "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$" AND NOT CUELBO_SANITIZE MATCHES "thread")
  list(APPEND cuelbo_isas avx2)
  list(APPEND cuelbo_isa_definitions CUELBO_HAVE_X86_PATHS=1)
  if(CUELBO_SANITIZE)
    list(APPEND cuelbo_isa_definitions CUELBO_WITHOUT_AVX512=1)
  else()
    list(APPEND cuelbo_isas avx512 avx512_bf16)
  endif()
endif()
set(cuelbo_options_baseline "")
set(cuelbo_options_avx2 -march=x86-64-v3)
set(cuelbo_options_avx512 -march=x86-64-v4 -mprefer-vector-width=512)
set(cuelbo_options_avx512_bf16 ${cuelbo_options_avx512} -mavx512bf16)
# -O3 would unroll the loops over lanes, which takes minutes to compile.
set(cuelbo_options_avx512_emulated ${cuelbo_options_avx2} -DCUELBO_EMULATE_AVX512=1 -Wno-psabi -O1)
option(CUELBO_EMULATE_AVX512 "Add the path avx512_emulated, 16 lanes without AVX-512, for tests" OFF)
if(CUELBO_EMULATE_AVX512)
  list(APPEND cuelbo_isas avx512_emulated)
  list(APPEND cuelbo_isa_definitions CUELBO_HAVE_EMULATED_PATH=1)
endif()

# Replaces the sources *_cpu.cpp of a list by objects, compiled once for each instruction set: libraries <name>_<isa>.
function(cuelbo_compile_for_isas name variable)
  set(sources ${${variable}})
  set(cpu_sources ${sources})
  list(FILTER cpu_sources INCLUDE REGEX "_cpu\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_cpu\\.cpp$")
  if(cpu_sources)
    foreach(isa IN LISTS cuelbo_isas)
      add_library(${name}_${isa} OBJECT ${cpu_sources})
      target_include_directories(${name}_${isa} PRIVATE "${PROJECT_SOURCE_DIR}")
      target_compile_definitions(${name}_${isa} PRIVATE CUELBO_ISA=${isa} ${cuelbo_isa_definitions})
      target_compile_options(${name}_${isa} PRIVATE -fno-semantic-interposition ${cuelbo_options_${isa}})
      list(APPEND sources "$<TARGET_OBJECTS:${name}_${isa}>")
    endforeach()
  endif()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()

# cuelbo_kernel_library(<name> FOLDER <folder> [EXCLUDE <subfolder>])
# Has the kernels of all instruction sets; the program picks one when it runs.
function(cuelbo_kernel_library name)
  cmake_parse_arguments(arg "" "FOLDER;EXCLUDE" "" ${ARGN})
  cuelbo_sources(sources ${arg_FOLDER} ${arg_EXCLUDE})
  cuelbo_compile_for_isas(${name} sources)
  cuelbo_add_library(${name} "${sources}")
  if(sources)
    target_compile_definitions(${name} PUBLIC ${cuelbo_isa_definitions})
  else()
    target_compile_definitions(${name} INTERFACE ${cuelbo_isa_definitions})
  endif()
endfunction()

# cuelbo_program(<name> FOLDER <folder> [EXCLUDE <subfolder>] LINK <library>…)
function(cuelbo_program name)
  cmake_parse_arguments(arg "" "FOLDER;EXCLUDE" "LINK" ${ARGN})
  cuelbo_sources(sources ${arg_FOLDER} ${arg_EXCLUDE})
  cuelbo_compile_for_isas(${name} sources)
  if(sources)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${arg_LINK})
  endif()
endfunction()

# Adds the functions of models/version.hpp to a target. Without git, the version has no commit.
function(cuelbo_add_version name)
  set(git git -C "${PROJECT_SOURCE_DIR}")
  execute_process(COMMAND ${git} rev-parse --short=7 HEAD
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  set(version "${PROJECT_VERSION}")
  if(failed)
    set(commit unknown)
  else()
    string(APPEND version "+${commit}")
    # The log of HEAD grows with every commit; the version is then found out again.
    execute_process(COMMAND ${git} rev-parse --git-path logs/HEAD
                    OUTPUT_VARIABLE log OUTPUT_STRIP_TRAILING_WHITESPACE WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    get_filename_component(log "${log}" ABSOLUTE BASE_DIR "${PROJECT_SOURCE_DIR}")
    if(EXISTS "${log}")
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${log}")
    endif()
  endif()
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  list(JOIN cuelbo_cxx_options " " flags)
  string(JOIN " " flags ${CMAKE_CXX_FLAGS} ${cuelbo_optimisation} ${CMAKE_CXX_FLAGS_${type}} ${flags})
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/version.cpp" @ONLY CONTENT
[[#include "models/version.hpp"

namespace cuelbo {

std::string_view version() { return "@version@"; }

const Build& build() {
  static constexpr Build build{
      .commit = "@commit@", .compiler = "@CMAKE_CXX_COMPILER_ID@ @CMAKE_CXX_COMPILER_VERSION@", .flags = R"(@flags@)"};
  return build;
}

}  // namespace cuelbo
]])
  target_sources(${name} PRIVATE "${PROJECT_BINARY_DIR}/generated/version.cpp")
endfunction()

# tests/support/paths.hpp
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/test_paths.cpp" @ONLY CONTENT
[[#include "tests/support/paths.hpp"

namespace cuelbo::test {

std::string source_directory() { return "@PROJECT_SOURCE_DIR@"; }
std::string cuelbo_program() { return "@CMAKE_RUNTIME_OUTPUT_DIRECTORY@/cuelbo"; }

}  // namespace cuelbo::test
]])

# cuelbo_tests(<name> FOLDER <folder> LINK <library>…)
function(cuelbo_tests name)
  cuelbo_program(${name} ${ARGN})
  if(TARGET ${name})
    target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest GTest::gtest_main)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_sources(${name} PRIVATE "${PROJECT_BINARY_DIR}/generated/test_paths.cpp")
    set_target_properties(${name} PROPERTIES cuelbo_compile_quickly TRUE)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX ${name}. PROPERTIES TIMEOUT 600)
  endif()
endfunction()

# Adds the tests of every operation that has CUDA kernels, which then run over their variants.
function(cuelbo_add_kernel_tests name)
  foreach(file IN LISTS cuelbo_cuda_kernels)
    get_filename_component(operation "${file}" DIRECTORY)
    get_filename_component(operation "${operation}" NAME)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/kernels/${operation}*_test.cpp")
    target_sources(${name} PRIVATE ${sources})
  endforeach()
endfunction()

# The linker merges inline functions of equal name. One compiled for AVX-512 must not be the copy that it keeps.
function(cuelbo_test_isa_isolation)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  foreach(isa avx2 avx512 avx512_bf16)
    if(TARGET cuelbo_kernels_${isa})
      add_test(NAME isa_isolation.${isa}
               COMMAND ${CMAKE_COMMAND} "-DNM=${CMAKE_NM}" -DISA=${isa}
                       "-DOBJECTS=$<TARGET_OBJECTS:cuelbo_kernels_${isa}>" -P
                       "${PROJECT_SOURCE_DIR}/cmake/check_isa_isolation.cmake")
    endif()
  endforeach()
endfunction()
