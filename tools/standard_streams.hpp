// Standard input, output and error, which a process may be started without and may lose.
#pragma once

#include <functional>

namespace cuelbo {

// Opens /dev/null in place of those that are closed, so that no file that is opened later gets their numbers.
void open_missing_standard_streams();

// Standard output is a closed pipe or a lost terminal.
bool output_reader_is_gone();

// Prints what may be lost, so that work goes on without it. If output_reader_is_gone(), output is discarded
// from now on; any other failure stays in ferror(stdout).
void print_if_possible(const std::function<void()>& print);

// The errno of that failure; EIO if none is known.
int why_output_was_lost();

}  // namespace cuelbo
