// C++ text, as far as a rewriter needs to know it.
#pragma once

#include <string>
#include <string_view>

namespace cuelbo::lab {

// The text with comments and the contents of quotes blanked; every character keeps its position.
std::string code_only(std::string_view text);

// From an opening bracket to the one that closes it, or back; npos: there is none. `<` and `>` count only if the search
// begins with one of them.
std::size_t closing(std::string_view code, std::size_t open);
std::size_t opening(std::string_view code, std::size_t close);

std::string_view trim(std::string_view text);  // without space at its ends
bool in_word(char c);                          // a letter, a digit or _
// The next occurrence of `word` as a whole word, from `from` on; npos if there is none.
std::size_t find_word(std::string_view code, std::string_view word, std::size_t from = 0);

int line_at(std::string_view text, std::size_t place);  // from 1 on

}  // namespace cuelbo::lab
