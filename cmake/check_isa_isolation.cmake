# Fails if an object file of one instruction set defines a function that the linker may merge with
# another object's copy (nm type W) and whose name does not say that it belongs to that instruction set.
set(found "")
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND "${NM}" --demangle --defined-only "${object}"
                  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* W [^\n]*" weak "${symbols}")
  list(FILTER weak EXCLUDE REGEX "kernels::${ISA}::")
  foreach(symbol IN LISTS weak)
    string(APPEND found "\n  ${object}:${symbol}")
  endforeach()
endforeach()
if(found)
  message(FATAL_ERROR "functions shared between instruction sets; "
                      "make them static or move them into the namespace ${ISA}:${found}")
endif()
