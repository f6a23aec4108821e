// A page of text, tables and pictures, written as Markdown or as HTML.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

namespace cuelbo::ladder {

// In text, `code` and **bold** are as in Markdown, and [words](page:NAME) links to the page of that name.
struct Heading {
  std::string text;
};
struct Paragraph {
  std::string text;
};
struct Table {
  std::vector<std::string>
      header;  // of the first column to the left, of others, which are figures, to the right
  std::vector<std::vector<std::string>> rows;
  std::size_t words = 1;  // as many columns from the left hold words
};
struct Picture {
  std::string name;  // of its file
  std::string svg, description;
};
using Block = std::variant<Heading, Paragraph, Table, Picture>;

struct Page {
  std::string name, title;
  std::vector<Block> blocks;
};

// Pages lie beside each other as NAME.md, pictures as NAME.svg.
std::string to_markdown(const Page& page);

// One file that needs nothing beside it.
std::string to_html(const std::string& title, std::span<const Page> pages);

}  // namespace cuelbo::ladder
