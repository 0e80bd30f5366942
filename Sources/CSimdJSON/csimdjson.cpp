// Walks records once over the structure that simdjson's first stage finds: what the plan names is kept, everything else is only checked.
#include "csimdjson.h"

#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

// What simdjson's own parsers are made of. Its header calls it internal; the library is Debian's, which does not change it (decision 0022).
using Parser = simdjson::internal::dom_parser_implementation;

// The walk relies on what no interface promises: behind the last token stands the length, a text's token is its opening quote, and nothing but
// white space lies between a token's end and the next token.
static_assert(simdjson::SIMDJSON_VERSION_MAJOR == 3 && simdjson::SIMDJSON_VERSION_MINOR == 0, "docs/decisions/0022");

// There is no way on without memory, and no record is to blame.
void check(simdjson::error_code error) {
  if (error) std::abort();
}

// The two ends of a key: one of up to 16 bytes is told from all others by them.
struct Ends {
  uint64_t length;
  uint64_t first = 0;
  uint64_t last = 0;

  explicit Ends(std::string_view key) : length(key.size()) {
    const char *bytes = key.data();
    if (length >= 8) {
      std::memcpy(&first, bytes, 8);
      std::memcpy(&last, bytes + length - 8, 8);
    } else if (length >= 4) {
      std::memcpy(&first, bytes, 4);
      std::memcpy(&last, bytes + length - 4, 4);
    } else if (length > 0) {
      first = static_cast<unsigned char>(bytes[0]);
      std::memcpy(&last, bytes + (length - 1) / 2, 1);
      last |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[length - 1])) << 8;
    }
  }

  bool operator==(const Ends &other) const { return length == other.length && first == other.first && last == other.last; }
};

// What a plan names in an object or an array, and under it.
struct Node {
  struct Child {
    Ends ends;
    std::string key;
    std::unique_ptr<Node> node;
  };

  int slot = -1;
  std::vector<Child> children;

  const Node *find(std::string_view key) const {
    Ends ends(key);
    for (const auto &child : children) {
      if (child.ends == ends && (ends.length <= 16 || child.key == key)) return child.node.get();
    }
    return nullptr;
  }

  Node *make(const std::string &key) {
    for (auto &child : children) {
      if (child.key == key) return child.node.get();
    }
    children.push_back(Child{Ends(key), key, std::make_unique<Node>()});
    return children.back().node.get();
  }
};

// JSON's grammar of numbers.
bool is_number(std::string_view token) {
  size_t at = 0;
  auto digits = [&] {
    size_t start = at;
    while (at < token.size() && token[at] >= '0' && token[at] <= '9') at++;
    return at - start;
  };
  if (at < token.size() && token[at] == '-') at++;
  size_t first = at;
  size_t whole = digits();
  if (whole == 0 || (whole > 1 && token[first] == '0')) return false;
  if (at < token.size() && token[at] == '.') {
    at++;
    if (digits() == 0) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    at++;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) at++;
    if (digits() == 0) return false;
  }
  return at == token.size();
}

bool is_space(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

// One walk through a record, along what simdjson's first stage found: it has checked that the record is UTF-8 and that its texts end and hold
// no control characters, and tells where tokens begin: brackets, colons, commas, the quotes that open texts, and all else that is not white space.
class Walk {
 public:
  // `next` are tokens of `json`, of which those before the byte `end` are the record's. `text` is where texts go whose escapes are to be
  // undone; nullptr if there are none.
  Walk(const Parser &parser, const char *json, const uint32_t *next, size_t end, uint8_t *text, csj_value *values, uint32_t depth_limit)
      : parser(parser), json(json), next(next), end(end), text(text), values(values), depth_limit(depth_limit) {}

  // False if the record is no JSON object, or too deep.
  bool record(const Node *root) { return take('{') && object(root, 1) && *next >= end; }

  // Where the walk ended, at most behind the record's last token.
  const uint32_t *place() const { return next; }

 private:
  const Parser &parser;
  const char *json;
  // Where the next token begins: behind the last one of all, the length of all records.
  const uint32_t *next;
  size_t end;
  uint8_t *text;
  csj_value *values;
  uint32_t depth_limit;

  // The first byte of the next token; 0, which is none, behind the last.
  char peek() const { return *next < end ? json[*next] : 0; }

  bool take(char byte) {
    if (peek() != byte) return false;
    next++;
    return true;
  }

  void keep(const Node *node, csj_type type, std::string_view bytes) const {
    if (node == nullptr || node->slot < 0) return;
    values[node->slot] = csj_value{bytes.data(), static_cast<uint32_t>(bytes.size()), static_cast<uint32_t>(type)};
  }

  // A value that stands again in the same object takes everything of the earlier one away.
  void forget(const Node *node) const {
    keep(node, CSJ_ABSENT, {});
    for (const auto &child : node->children) forget(child.node.get());
  }

  // Takes a number or a word, up to the white space before the next token.
  std::string_view scalar() {
    const char *first = json + next[0];
    const char *last = json + next[1];
    next++;
    while (is_space(last[-1])) last--;
    return {first, static_cast<size_t>(last - first)};
  }

  // Takes a text.
  __attribute__((always_inline)) bool string(std::string_view &value) {
    if (peek() != '"') return false;
    const char *first = json + next[0] + 1;
    if (text == nullptr) {
      // Only white space lies between the quote that ends it and the next token.
      const char *last = json + next[1] - 1;
      while (*last != '"') last--;
      value = {first, static_cast<size_t>(last - first)};
    } else {
      uint8_t *stop = parser.parse_string(reinterpret_cast<const uint8_t *>(first), text);
      if (stop == nullptr) return false;
      value = {reinterpret_cast<const char *>(text), static_cast<size_t>(stop - text)};
      text = stop;
    }
    next++;
    return true;
  }

  bool object(const Node *node, uint32_t depth) {
    if (take('}')) return true;
    do {
      std::string_view key;
      if (!string(key) || !take(':')) return false;
      const Node *child = node == nullptr ? nullptr : node->find(key);
      if (child != nullptr && !child->children.empty()) forget(child);
      if (!any(child, depth + 1)) return false;
    } while (take(','));
    return take('}');
  }

  bool array(const Node *node, uint32_t depth) {
    if (take(']')) return true;
    size_t index = 0;
    do {
      const Node *child = node == nullptr || node->children.empty() ? nullptr : node->find(std::to_string(index));
      if (!any(child, depth + 1)) return false;
      index++;
    } while (take(','));
    return take(']');
  }

  // Inlined: it is called for every value, and goes on by itself only for objects and arrays.
  __attribute__((always_inline)) bool any(const Node *node, uint32_t depth) {
    if (depth > depth_limit) return false;
    std::string_view value;
    if (string(value)) {
      keep(node, CSJ_STRING, value);
      return true;
    }
    switch (peek()) {
      case '{':
        next++;
        keep(node, CSJ_CONTAINER, {});
        return object(node, depth);
      case '[':
        next++;
        keep(node, CSJ_CONTAINER, {});
        return array(node, depth);
      case 't':
      case 'f':
        value = scalar();
        if (value != "true" && value != "false") return false;
        keep(node, CSJ_BOOLEAN, value);
        return true;
      case 'n':
        if (scalar() != "null") return false;
        keep(node, CSJ_NULL, {});
        return true;
      case '-':
      case '0' ... '9':
        value = scalar();
        if (!is_number(value)) return false;
        keep(node, CSJ_NUMBER, value);
        return true;
      default:
        return false;
    }
  }
};

}  // namespace

struct csj_plan {
  Node root;
  int slots = 0;
};

struct csj_parser {
 public:
  explicit csj_parser(uint32_t depth) : depth(depth) {
    check(simdjson::get_active_implementation()->create_dom_parser_implementation(4096, depth, simdjson));
  }

  void add(const void *source, size_t length) {
    if (walked > 0) {
      if (walked < records.size()) std::abort();
      records.clear();
      walked = used = 0;
    }
    size_t end = used + length;
    grow(bytes, end + 2 + simdjson::SIMDJSON_PADDING);
    std::memcpy(bytes.data() + used, source, length);
    bytes[end] = bytes[end + 1] = '\n';
    records.push_back(Record{source, used, end});
    used = end + 2;
  }

  bool next(const Node *root, const void *source, csj_value *values) {
    if (walked == records.size() || records[walked].source != source) std::abort();
    if (walked == 0) is_sound = scan(0, used);
    const Record &record = records[walked++];
    // One of the run is at fault: each is scanned by itself.
    if (!is_sound && !scan(record.begin, record.end)) return false;
    while (scanned + *token < record.begin) token++;
    Walk walk(*simdjson, bytes.data() + scanned, token, record.end - scanned, has_escapes ? texts.data() : nullptr, values, depth);
    bool is_whole = walk.record(root);
    token = walk.place();
    return is_whole;
  }

 private:
  struct Record {
    const void *source;
    size_t begin;
    size_t end;
  };

  // simdjson's first stage, over some of the run.
  bool scan(size_t begin, size_t end) {
    size_t length = end - begin;
    if (length > simdjson->capacity()) check(simdjson->set_capacity(with_spare(length)));
    const char *json = bytes.data() + begin;
    if (simdjson->stage1(reinterpret_cast<const uint8_t *>(json), length, simdjson::stage1_mode::regular)) return false;
    scanned = begin;
    token = simdjson->structural_indexes.get();
    has_escapes = std::memchr(json, '\\', length) != nullptr;
    // To undo escapes makes no text longer.
    if (has_escapes) grow(texts, length + simdjson::SIMDJSON_PADDING);
    return true;
  }

  // Twice as much of little, so that it grows seldom.
  static size_t with_spare(size_t size) { return size < 1 << 20 ? size * 2 : size; }

  template <typename Byte>
  static void grow(std::vector<Byte> &memory, size_t size) {
    if (memory.size() < size) memory.resize(with_spare(size));
  }

  std::unique_ptr<Parser> simdjson;
  uint32_t depth;
  // A run of records, one behind the other, and how many of them were walked through. Two line feeds stand behind each: no text may hold
  // one, and a backslash takes one of them at most, so that what a record leaves open is an error of the run, and never the next record's.
  std::vector<char> bytes;
  size_t used = 0;
  std::vector<Record> records;
  size_t walked = 0;
  bool is_sound = false;
  // Where what was scanned begins, and in it the tokens that were not walked through; they are counted from there.
  size_t scanned = 0;
  const uint32_t *token = nullptr;
  bool has_escapes = false;
  // The texts of the record that was read last, their escapes undone.
  std::vector<uint8_t> texts;
};

extern "C" {

csj_plan *csj_plan_new(void) { return new csj_plan(); }

void csj_plan_free(csj_plan *plan) { delete plan; }

int csj_plan_add(csj_plan *plan, const char *pointer, size_t length) {
  std::string_view text(pointer, length);
  Node *node = &plan->root;
  while (!text.empty()) {
    if (text[0] != '/') return -1;
    text.remove_prefix(1);
    std::string key;
    while (!text.empty() && text[0] != '/') {
      char byte = text[0];
      text.remove_prefix(1);
      if (byte == '~') {
        if (text.empty() || (text[0] != '0' && text[0] != '1')) return -1;
        byte = text[0] == '0' ? '~' : '/';
        text.remove_prefix(1);
      }
      key.push_back(byte);
    }
    node = node->make(key);
  }
  if (node->slot < 0) node->slot = plan->slots++;
  return node->slot;
}

csj_parser *csj_parser_new(uint32_t depth) { return new csj_parser(depth); }

void csj_parser_free(csj_parser *parser) { delete parser; }

void csj_add(csj_parser *parser, const void *json, size_t length) { parser->add(json, length); }

bool csj_next(csj_parser *parser, const csj_plan *plan, const void *json, csj_value *values) {
  std::memset(values, 0, sizeof(csj_value) * static_cast<size_t>(plan->slots));
  return parser->next(&plan->root, json, values);
}

}  // extern "C"
