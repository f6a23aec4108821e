// The built `cuelbo`, run as a user runs it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace cuelbo::test {

struct Outcome {
  int code = -1;  // exit code, or −signal
  std::string out, err;
};

// Runs it to its end, in `directory`; standard output goes to `output`, if that is named.
Outcome cuelbo(const std::vector<std::string>& arguments, const std::filesystem::path& directory = ".",
               const std::filesystem::path& output = {});

// The same, started by a shell: `script` is what it does, in which `exec "$0" "$@"` is the command.
Outcome cuelbo_in_shell(const std::string& script, const std::vector<std::string>& arguments,
                        const std::filesystem::path& directory);

// A run that is still going on; it is killed when its owner goes.
class RunningCuelbo {
 public:
  struct Output {
    int terminal_columns = 0;    // above 0: standard output and error are a terminal of that width
    std::filesystem::path file;  // else, if named, standard output goes there
    std::string script;          // if named, of a shell that starts the command by `exec "$0" "$@"`
  };
  RunningCuelbo(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                const Output& output);
  RunningCuelbo(const std::vector<std::string>& arguments, const std::filesystem::path& directory)
      : RunningCuelbo(arguments, directory, Output{}) {}
  ~RunningCuelbo();
  RunningCuelbo(const RunningCuelbo&) = delete;
  RunningCuelbo& operator=(const RunningCuelbo&) = delete;

  // Reads until standard output or standard error holds `text`; false when it ends before.
  bool wait_for(const std::string& text);
  void signal(int number) const;
  Outcome wait();           // of a terminal, everything is in `out`
  Outcome lose_terminal();  // closes the terminal, then waits

 private:
  bool read_some();

  pid_t process_ = -1;
  int out_ = -1, err_ = -1;
  Outcome outcome_;
};

}  // namespace cuelbo::test
