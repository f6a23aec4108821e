// Introductions to the ladders, and their glossary.
#pragma once

#include <span>
#include <string_view>

namespace cuelbo::ladder {

std::string_view introduction(
    std::string_view kernel);  // what it computes, in a few sentences; any kernel has one

// Why a variant does what sets it apart; empty: there is nothing to say.
std::string_view gain(std::string_view kernel, std::string_view variant);

std::span<const std::string_view> explanations();  // of the words that all pages use, a paragraph each

}  // namespace cuelbo::ladder
