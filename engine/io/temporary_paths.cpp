#include "engine/io/temporary_paths.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>

namespace cuelbo {

namespace {

enum State : int { unused, being_filled, file, directory };
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler reads it");

struct Slot {
  std::atomic<int> state = unused;
  pid_t owner = 0;  // a child that was forked has a copy of the list, but not of the files
  std::array<char, 4096> path{};
};
std::array<Slot, 32> slots;

void remove_directory(const char* path) noexcept {
  const pid_t child = _Fork();
  if (child == 0) {
    execl("/bin/rm", "rm", "-rf", "--", path, nullptr);
    _exit(127);
  }
  if (child > 0) waitpid(child, nullptr, 0);
}

}  // namespace

TemporaryPath::TemporaryPath(const std::filesystem::path& path, Kind kind) {
  const std::string& text = path.native();
  if (text.size() >= slots[0].path.size()) return;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    int expected = unused;
    if (!slots[i].state.compare_exchange_strong(expected, being_filled)) continue;
    std::memcpy(slots[i].path.data(), text.c_str(), text.size() + 1);
    slots[i].owner = getpid();
    slots[i].state = kind == Kind::file ? file : directory;
    slot_ = static_cast<int>(i);
    return;
  }
}

TemporaryPath::~TemporaryPath() {
  if (slot_ >= 0) slots[static_cast<std::size_t>(slot_)].state = unused;
}

void remove_temporary_paths() noexcept {
  for (Slot& slot : slots) {
    const int state = slot.state;
    if (slot.owner != getpid()) continue;
    if (state == file) unlink(slot.path.data());
    if (state == directory) remove_directory(slot.path.data());
  }
}

}  // namespace cuelbo
