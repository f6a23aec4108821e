# docs/first_kernel.md is compiled: modules of the device simt in which the page's edits are made, before and after its
# last one. The page's test runs its commands on them.

foreach(stage written fixed)
  set(source "${PROJECT_BINARY_DIR}/generated/first_kernel/${stage}.cpp")
  set(page "${PROJECT_SOURCE_DIR}/docs/first_kernel.md")
  set(original "${PROJECT_SOURCE_DIR}/kernels/reduce/reduce.cu")
  set(script "${PROJECT_SOURCE_DIR}/cmake/apply_page.cmake")
  add_custom_command(OUTPUT "${source}" DEPENDS "${page}" "${original}" "${script}"
                     COMMAND ${CMAKE_COMMAND} "-DPAGE=${page}" "-DSOURCE=${original}" "-DOUTPUT=${source}"
                             -DSTAGE=${stage} -P "${script}")
  set(name first_kernel_${stage})
  cuelbo_simt_objects(${name} SOURCES "${source}" OPTIONS $<TARGET_PROPERTY:cuelbo_simt_kernels,COMPILE_OPTIONS>)
  add_library(${name}_module MODULE $<TARGET_OBJECTS:cuelbo_simt_runtime> $<TARGET_OBJECTS:cuelbo_simt_module> $<TARGET_OBJECTS:${name}>
              $<FILTER:$<TARGET_OBJECTS:cuelbo_simt_kernels>,EXCLUDE,/kernels/reduce/reduce\\.cpp>)
  set_target_properties(${name}_module PROPERTIES OUTPUT_NAME cuelbo_simt LINKER_LANGUAGE CXX
                        LIBRARY_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/first_kernel/${stage}")
  target_link_libraries(${name}_module PRIVATE cuelbo_kernels fmt::fmt)
  target_link_options(${name}_module PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined)
  add_dependencies(tools_tests ${name}_module)
endforeach()
