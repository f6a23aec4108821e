#include "tools/lab/source/rewrite.hpp"

#include <algorithm>
#include <cctype>

#include "engine/error.hpp"
#include "tools/lab/source/code.hpp"

namespace cuelbo::lab {

namespace {

constexpr std::size_t npos = std::string_view::npos;

struct Edit {
  std::size_t begin, end;
  std::string text;
};

class Rewriter {
 public:
  Rewriter(std::string_view text, std::string_view file) : text_(text), file_(file), code_(code_only(text)) {}

  std::string run() {
    refuse_what_needs_nvcc();
    drop_includes();
    turn_launches();
    turn_dynamic_shared();
    lead_with_shared();
    turn_noinline();
    std::ranges::sort(edits_, {}, &Edit::begin);
    std::string result;
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      result.append(text_, at, edit.begin - at).append(edit.text);
      // Code must stay on its line.
      const auto lines = std::ranges::count(text_.substr(edit.begin, edit.end - edit.begin), '\n') -
                         std::ranges::count(edit.text, '\n');
      result.append(static_cast<std::size_t>(lines), '\n');
      at = edit.end;
    }
    return result.append(text_, at);
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(std::size_t place, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}:{}: {}", file_, line_at(text_, place), fmt::format(format, std::forward<Args>(args)...));
  }

  std::size_t skip_space(std::size_t at) const {
    while (at < code_.size() && std::isspace(static_cast<unsigned char>(code_[at])) != 0) ++at;
    return at;
  }
  // The position behind the last character before `at` that is not a space.
  std::size_t skip_space_back(std::size_t at) const {
    while (at > 0 && std::isspace(static_cast<unsigned char>(code_[at - 1])) != 0) --at;
    return at;
  }

  // Calls act(place of #, header) for every #include <header>.
  template <class F>
  void for_each_include(F&& act) const {
    for (std::size_t at = code_.find('#'); at != npos; at = code_.find('#', at + 1)) {
      const std::size_t word = skip_space(at + 1);
      if (code_.compare(word, 7, "include") != 0) continue;
      const std::size_t open = skip_space(word + 7);
      if (open >= code_.size() || code_[open] != '<') continue;
      const std::size_t close = code_.find('>', open);
      if (close != npos) act(at, std::string_view(code_).substr(open + 1, close - open - 1));
    }
  }

  void refuse_what_needs_nvcc() const {
    for_each_include([&](std::size_t place, std::string_view header) {
      for (const std::string_view only :
           {"cooperative_groups", "mma.h", "cuda/", "cub/", "thrust/", "cooperative_groups/", "cuda_pipeline",
            "curand_kernel", "curand_mtgp32_kernel"})
        if (header.starts_with(only))
          refuse(place,
                 "<{}> is not executed on the CPU; kernels may use plain CUDA C++: __syncthreads, warp "
                 "operations with _sync, atomics and shared memory",
                 header);
    });
    for (const std::string_view word : {"asm", "__asm__"})
      if (const std::size_t at = find_word(code_, word); at != npos)
        refuse(at, "inline PTX is not executed on the CPU; write what it does in CUDA C++");
    for (const std::string_view word :
         {"tex1D", "tex2D", "tex3D", "surf2Dread", "surf2Dwrite", "__cluster_dims__"})
      if (const std::size_t at = find_word(code_, word); at != npos)
        refuse(at, "'{}' is not executed on the CPU", word);
  }

  // It declares threadIdx and the like, which the runtime has.
  void drop_includes() {
    for_each_include([&](std::size_t place, std::string_view header) {
      if (header == "device_launch_parameters.h") edits_.push_back({place, code_.find('>', place) + 1, ""});
    });
  }

  // The start of the expression that ends before `end`: a name, with scopes, template arguments, members and indices.
  std::size_t begin_of_expression(std::size_t end) const {
    std::size_t at = end;
    for (;;) {
      const std::size_t back = skip_space_back(at);
      if (back == 0) return at;
      const char c = code_[back - 1];
      if (in_word(c)) {
        std::size_t begin = back;
        while (begin > 0 && in_word(code_[begin - 1])) --begin;
        if (at != end && in_word(code_[at])) return at;  // two words: the first is not a part of it
        at = begin;
      } else if (back >= 2 &&
                 (code_.compare(back - 2, 2, "::") == 0 || code_.compare(back - 2, 2, "->") == 0)) {
        at = back - 2;
      } else if (c == '.') {
        at = back - 1;
      } else if ((c == ')' || c == ']' || c == '>') && (at == end || !in_word(code_[at]))) {
        const std::size_t open = opening(code_, back - 1);
        if (open == npos) return at;
        at = open;
      } else {
        return at;
      }
    }
  }

  std::size_t end_of_configuration(std::size_t begin) const {
    for (std::size_t i = begin; i < code_.size(); ++i) {
      if (code_.compare(i, 3, ">>>") == 0) return i;
      if (code_[i] == '(' || code_[i] == '[' || code_[i] == '{') i = closing(code_, i);
      if (i == npos || code_[i] == ';') return npos;
    }
    return npos;
  }

  void turn_launches() {
    for (std::size_t at = code_.find("<<<"); at != npos; at = code_.find("<<<", at + 3)) {
      const std::size_t end = skip_space_back(at), begin = begin_of_expression(end);
      const std::string kernel(text_.substr(begin, end - begin));
      if (kernel.empty()) refuse(at, "a launch without the name of a kernel in front of <<<");
      const std::size_t configured = end_of_configuration(at + 3);
      if (configured == npos) refuse(at, "the launch of '{}' has no >>> that ends it", kernel);
      const std::size_t open = skip_space(configured + 3);
      if (open >= code_.size() || code_[open] != '(') refuse(configured, "( is expected behind >>>");
      const std::size_t close = closing(code_, open);
      if (close == npos) refuse(open, "the launch of '{}' has no ) that ends it", kernel);
      edits_.push_back({begin, at + 3, "::cuelbo::simt::configure("});
      const bool none = skip_space(open + 1) == close;
      edits_.push_back(
          {configured, open + 1,
           fmt::format(")([=](auto... arguments) {{ {}(arguments...); }}{}", kernel, none ? "" : ", ")});
    }
  }

  // Whether the position is inside a function: in braces that are not those of a namespace or of extern "C".
  bool in_function(std::size_t place) const {
    std::size_t statement = 0;
    std::vector<bool> function;
    for (std::size_t i = 0; i < place; ++i) {
      if (code_[i] == '{') {
        const std::string_view head = std::string_view(code_).substr(statement, i - statement);
        const std::size_t last = head.find_last_not_of(" \t\r\n");
        function.push_back(find_word(head, "namespace") == npos &&
                           (find_word(head, "extern") == npos || (last != npos && head[last] == ')')));
      } else if (code_[i] == '}' && !function.empty()) {
        function.pop_back();
      }
      if (code_[i] == ';' || code_[i] == '{' || code_[i] == '}') statement = i + 1;
    }
    return std::ranges::find(function, true) != function.end();
  }

  void turn_dynamic_shared() {
    for (std::size_t at = find_word(code_, "extern"); at != npos; at = find_word(code_, "extern", at + 1)) {
      const std::size_t end = code_.find_first_of(";{", at);
      if (end == npos) return;
      std::string declared = code_.substr(at, end - at);
      if (find_word(declared, "__shared__") == npos) continue;
      for (const std::string_view word : {"extern", "__shared__", "__align__", "alignas"})
        for (std::size_t w = find_word(declared, word); w != npos; w = find_word(declared, word)) {
          std::size_t stop = w + word.size();
          if (word == "__align__" || word == "alignas") {
            const std::size_t open = declared.find('(', stop);
            const std::size_t close = open == npos ? npos : closing(declared, open);
            stop = close == npos ? declared.size() : close + 1;
          }
          declared.erase(w, stop - w);
        }
      const std::size_t bracket = declared.find('[');
      std::size_t name_end = bracket == npos ? 0 : declared.find_last_not_of(" \t\r\n", bracket - 1) + 1;
      std::size_t name = name_end;
      while (name > 0 && in_word(declared[name - 1])) --name;
      if (name == 0 || name == name_end || declared.find_first_not_of(" \t\r\n]", bracket + 1) != npos ||
          declared.find(',') < bracket)
        refuse(at, "this form of extern __shared__ is not understood; write extern __shared__ TYPE NAME[];");
      if (!in_function(at))
        refuse(at, "extern __shared__ outside of a function; declare it inside the kernels that use it");
      std::string type(trim(std::string_view(declared).substr(0, name)));
      std::ranges::replace(type, '\n', ' ');
      edits_.push_back({at, end,
                        fmt::format("{0}* const {1} = ::cuelbo::kernels::dynamic_shared<{0}>()", type,
                                    declared.substr(name, name_end - name))});
    }
  }

  // No macro can: the headers of the library write __attribute__((__noinline__)).
  void turn_noinline() {
    constexpr std::string_view noinline_word = "__noinline__";
    for (std::size_t at = find_word(code_, noinline_word); at != npos;
         at = find_word(code_, noinline_word, at + 1)) {
      const std::size_t back = skip_space_back(at);
      if (back > 0 && (code_[back - 1] == '(' || code_[back - 1] == ',')) continue;
      edits_.push_back({at, at + noinline_word.size(), "__attribute__((noinline))"});
    }
  }

  // A word, with the parentheses that follow it.
  struct Specifier {
    std::size_t begin = 0, end = 0;
    std::string_view word;
  };
  Specifier specifier_before(std::size_t end) const {
    const std::size_t back = skip_space_back(end);
    const std::size_t open = back > 0 && code_[back - 1] == ')' ? opening(code_, back - 1) : back;
    const std::size_t word_end = open == npos ? 0 : skip_space_back(open);
    std::size_t begin = word_end;
    while (begin > 0 && in_word(code_[begin - 1])) --begin;
    return {begin, back, std::string_view(code_).substr(begin, word_end - begin)};
  }
  Specifier specifier_behind(std::size_t begin) const {
    begin = skip_space(begin);
    std::size_t word_end = begin;
    while (word_end < code_.size() && in_word(code_[word_end])) ++word_end;
    const std::string_view word = std::string_view(code_).substr(begin, word_end - begin);
    const std::size_t open = skip_space(word_end);
    const bool with_parentheses = is_alignment(word) && open < code_.size() && code_[open] == '(';
    const std::size_t close = with_parentheses ? closing(code_, open) : npos;
    return {begin, close == npos ? word_end : close + 1, word};
  }
  static bool is_alignment(std::string_view word) { return word == "alignas" || word == "__align__"; }

  // __shared__ becomes declarations (device.hpp), which other specifiers may not precede. They align variables to 256 bytes.
  void lead_with_shared() {
    constexpr std::string_view shared = "__shared__";
    for (std::size_t at = find_word(code_, shared); at != npos; at = find_word(code_, shared, at + 1)) {
      std::size_t begin = at, end = at + shared.size();
      std::string kept;
      const auto take = [&](const Specifier& s) {
        if (s.word == "const" || s.word == "volatile")
          kept += ' ' + std::string(s.word);
        else if (s.word != "static" && !is_alignment(s.word))
          return false;
        begin = std::min(begin, s.begin);
        end = std::max(end, s.end);
        return true;
      };
      while (take(specifier_before(begin))) {
      }
      if (specifier_before(begin).word == "extern") continue;
      while (take(specifier_behind(end))) {
      }
      if (begin < at || end > at + shared.size()) edits_.push_back({begin, end, std::string(shared) + kept});
    }
  }

  std::string_view text_, file_;
  std::string code_;
  std::vector<Edit> edits_;
};

}  // namespace

std::string rewrite_cuda(std::string_view text, std::string_view file) { return Rewriter(text, file).run(); }

std::vector<std::string> kernel_names(std::string_view text) {
  const std::string code = code_only(text);
  std::vector<std::string> names;
  for (std::size_t at = find_word(code, "__global__"); at != npos;
       at = find_word(code, "__global__", at + 1)) {
    // The name is in front of the first ( that does not belong to an attribute such as __launch_bounds__(256).
    for (std::size_t open = code.find('(', at); open != npos; open = code.find('(', open)) {
      std::size_t end = code.find_last_not_of(" \t\r\n", open - 1) + 1, begin = end;
      while (begin > 0 && in_word(code[begin - 1])) --begin;
      const std::string name = code.substr(begin, end - begin);
      if (!name.starts_with("__")) {
        names.push_back(name);
        break;
      }
      open = closing(code, open);
    }
  }
  return names;
}

}  // namespace cuelbo::lab
