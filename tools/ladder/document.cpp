#include "tools/ladder/document.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tools/report/assets.hpp"
#include "tools/report/html.hpp"

namespace cuelbo::ladder {

namespace {

constexpr std::string_view html_style = R"css(
table { border-collapse: collapse; margin: 14px 0 22px; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 5px 12px 5px 0; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
th.figure, td.figure { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
.picture svg { max-width: 100%; height: auto; border-radius: 8px; border: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 30px 0 4px; }
)css";

// Replaces the text between each two marks by turn(text).
template <class F>
std::string between(const std::string& text, std::string_view mark, F&& turn) {
  std::string result;
  for (std::size_t at = 0;;) {
    const std::size_t open = text.find(mark, at);
    const std::size_t close = open == std::string::npos ? open : text.find(mark, open + mark.size());
    if (close == std::string::npos) return result.append(text, at);
    result.append(text, at, open - at);
    result += turn(text.substr(open + mark.size(), close - open - mark.size()));
    at = close + mark.size();
  }
}

// link(words, name) for each [words](page:name).
template <class F>
std::string with_links(const std::string& text, F&& link) {
  constexpr std::string_view middle = "](page:";
  std::string result;
  for (std::size_t at = 0;;) {
    const std::size_t between = text.find(middle, at);
    if (between == std::string::npos) return result.append(text, at);
    const std::size_t open = text.rfind('[', between), close = text.find(')', between);
    result.append(text, at, open - at);
    result += link(text.substr(open + 1, between - open - 1),
                   text.substr(between + middle.size(), close - between - middle.size()));
    at = close + 1;
  }
}

std::string inline_html(const std::string& text) {
  std::string result = html::escape(text);
  result = between(result, "`", [](const std::string& code) { return "<code>" + code + "</code>"; });
  result = between(result, "**", [](const std::string& bold) { return "<b>" + bold + "</b>"; });
  return with_links(result, [](const std::string& words, const std::string& name) {
    return fmt::format("<a href=\"#{}\">{}</a>", name, words);
  });
}

std::string inline_markdown(const std::string& text) {
  return with_links(text, [](const std::string& words, const std::string& name) {
    return fmt::format("[{}]({}.md)", words, name);
  });
}

// A | would end the cell.
std::string cell(const std::string& text) {
  std::string result;
  for (const char c : inline_markdown(text)) result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result;
}

struct MarkdownWriter {
  std::string& out;

  void operator()(const Heading& heading) const { out += "## " + inline_markdown(heading.text) + "\n\n"; }
  void operator()(const Paragraph& paragraph) const { out += inline_markdown(paragraph.text) + "\n\n"; }
  void operator()(const Table& table) const {
    row(table.header);
    for (std::size_t i = 0; i < table.header.size(); ++i) out += i < table.words ? "| --- " : "| ---: ";
    out += "|\n";
    for (const auto& cells : table.rows) row(cells);
    out += '\n';
  }
  void operator()(const Picture& picture) const {
    out += fmt::format("![{}]({}.svg)\n\n", picture.description, picture.name);
  }
  void row(const std::vector<std::string>& cells) const {
    for (const std::string& text : cells) out += "| " + cell(text) + " ";
    out += "|\n";
  }
};

struct HtmlWriter {
  std::string& out;

  void operator()(const Heading& heading) const { out += "<h3>" + inline_html(heading.text) + "</h3>\n"; }
  void operator()(const Paragraph& paragraph) const { out += "<p>" + inline_html(paragraph.text) + "</p>\n"; }
  void operator()(const Table& table) const {
    out += "<div class=\"wide\"><table>\n";
    row(table.header, table.words, "th");
    for (const auto& cells : table.rows) row(cells, table.words, "td");
    out += "</table></div>\n";
  }
  void operator()(const Picture& picture) const {
    out += fmt::format("<div class=\"picture wide\" role=\"img\" aria-label=\"{}\">{}</div>\n",
                       html::escape(picture.description), picture.svg);
  }
  void row(const std::vector<std::string>& cells, std::size_t words, const char* tag) const {
    out += "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i)
      out +=
          fmt::format("<{0}{2}>{1}</{0}>", tag, inline_html(cells[i]), i < words ? "" : " class=\"figure\"");
    out += "</tr>\n";
  }
};

}  // namespace

std::string to_markdown(const Page& page) {
  std::string out = "# " + page.title + "\n\n";
  for (const Block& block : page.blocks) std::visit(MarkdownWriter{out}, block);
  out.pop_back();
  return out;
}

std::string to_html(const std::string& title, std::span<const Page> pages) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>{1}{2}</style>\n"
      "<header><h1>{0}</h1></header>\n<main>\n",
      html::escape(title), report_style, html_style);
  for (const Page& page : pages) {
    out += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n", page.name, inline_html(page.title));
    for (const Block& block : page.blocks) std::visit(HtmlWriter{out}, block);
    out += "</section>\n";
  }
  return out + "</main>\n</html>\n";
}

}  // namespace cuelbo::ladder
