# The parts with which `cuelbo kernels profile --source` turns a user's CUDA file into a module: the device simt-checked
# without our kernels, as an archive, and a note of how this build compiles and links.

set(source_device ${cuelbo_cuda_device})
list(FILTER source_device EXCLUDE REGEX "/kernel_tables\\.cpp$")
cuelbo_sources(source_functions kernels/runtime/simt/source)
add_library(cuelbo_source_runtime STATIC ${source_device} ${source_functions} "${PROJECT_SOURCE_DIR}/engine/cuda/no_kernels/kernel_tables.cpp"
            "${PROJECT_BINARY_DIR}/generated/simt/kernels/runtime/libraries.cpp")
set_target_properties(cuelbo_source_runtime PROPERTIES ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
target_include_directories(cuelbo_source_runtime PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(cuelbo_source_runtime PRIVATE cuelbo_simt_checked_runtime cuelbo_kernels fmt::fmt)

# A module shows two functions. What they do not need is dropped: the file's main, say, with the calls that simt lacks.
set(source_symbols "${PROJECT_BINARY_DIR}/generated/source_module.map")
file(CONFIGURE OUTPUT "${source_symbols}" CONTENT "{ global: cuelbo_device_module; cuelbo_source_launch; local: *; };\n")

separate_arguments(source_flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
set(source_compile ${source_flags} -std=c++20 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -ffunction-sections -fdata-sections ${cuelbo_simt_instrumented}
                   "-I${PROJECT_SOURCE_DIR}" -isystem "${CUELBO_CUDA_INCLUDE}" -DCUELBO_SIMT=1)
# The runtime is linked first: of an inline function the linker keeps the first copy, and the runtime's is not instrumented.
foreach(option IN LISTS source_compile)
  list(APPEND source_quoted "\"${option}\"")
endforeach()
list(JOIN source_quoted ", " source_quoted)
file(GENERATE OUTPUT "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/cuelbo_source_module.json" CONTENT "{
  \"compiler\": \"${CMAKE_CXX_COMPILER}\",
  \"compile\": [${source_quoted}, \"%s\"],
  \"link\": [\"-Wl,--whole-archive\", \"$<TARGET_FILE:cuelbo_source_runtime>\", \"-Wl,--no-whole-archive\", \"%s\",
           \"$<TARGET_FILE:cuelbo_kernels>\", \"$<TARGET_LINKER_FILE:fmt::fmt>\", \"-Wl,--no-undefined\",
           \"-Wl,--gc-sections\", \"-Wl,--version-script=${source_symbols}\"]
}
")
