# Puts models/presets/*.toml into the library, as the function presets() of models/config.hpp. The first line of a file,
# a comment, is its description.

set(preset_entries "")
file(GLOB preset_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/models/presets/*.toml")
list(SORT preset_files)
foreach(file IN LISTS preset_files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" text)
  string(REGEX MATCH "^# ([^\n]*)\n" description "${text}")
  set(description "${CMAKE_MATCH_1}")
  string(APPEND preset_entries "      {\"${name}\", R\"toml(${description})toml\", R\"toml(${text})toml\"},\n")
endforeach()

file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/presets.cpp" @ONLY CONTENT
[[// Made from models/presets/*.toml.
#include "models/config.hpp"

namespace cuelbo {

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
@preset_entries@  };
  return all;
}

}  // namespace cuelbo
]])
target_sources(cuelbo_models PRIVATE "${PROJECT_BINARY_DIR}/generated/presets.cpp")
