// Walks a record once with simdjson's on-demand parser: what the plan names is kept, everything else is only checked.
#include "csimdjson.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace simdjson;

namespace {

// A key of the plan as most records write it: without escapes, and with the quote that ends it.
class PlainKey {
 public:
  explicit PlainKey(const std::string &key) : text(key + '"') {
    for (unsigned char byte : key) is_plain = is_plain && byte >= 0x20 && byte != '"' && byte != '\\';
    size_t count = std::min(text.size(), sizeof(first));
    std::memcpy(&first, text.data(), count);
    std::memset(&mask, 0xFF, count);
  }

  // True if the key whose text begins at `raw` is this one. `raw` has at least eight bytes, for records are padded, and no byte behind
  // the first that differs is read.
  bool stands_at(const char *raw) const {
    uint64_t word;
    std::memcpy(&word, raw, sizeof(word));
    if (!is_plain || (word & mask) != first) return false;
    for (size_t at = sizeof(word); at < text.size(); at++) {
      if (raw[at] != text[at]) return false;
    }
    return true;
  }

 private:
  std::string text;
  bool is_plain = true;
  // The first eight bytes of `text`, or all.
  uint64_t first = 0;
  uint64_t mask = 0;
};

struct Node {
  struct Child {
    std::string key;
    PlainKey plain;
    std::unique_ptr<Node> node;
  };

  int slot = -1;
  std::vector<Child> children;

  const Node *find(std::string_view key) const {
    for (const auto &child : children) {
      if (child.key == key) return child.node.get();
    }
    return nullptr;
  }

  // Of a key as it is written; nullptr if it is none of the plan's, or has escapes.
  const Node *find_plain(const char *raw) const {
    for (const auto &child : children) {
      if (child.plain.stands_at(raw)) return child.node.get();
    }
    return nullptr;
  }

  Node *make(const std::string &key) {
    for (auto &child : children) {
      if (child.key == key) return child.node.get();
    }
    children.push_back(Child{key, PlainKey(key), std::make_unique<Node>()});
    return children.back().node.get();
  }
};

// JSON's grammar of numbers; what remains of `token` may only be white space.
size_t number_length(std::string_view token) {
  size_t at = 0;
  auto digits = [&] {
    size_t start = at;
    while (at < token.size() && token[at] >= '0' && token[at] <= '9') at++;
    return at - start;
  };
  if (at < token.size() && token[at] == '-') at++;
  size_t first = at;
  size_t whole = digits();
  if (whole == 0 || (whole > 1 && token[first] == '0')) return 0;
  if (at < token.size() && token[at] == '.') {
    at++;
    if (digits() == 0) return 0;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    at++;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) at++;
    if (digits() == 0) return 0;
  }
  // A zero byte is none of them: strchr would find the end of its text.
  return token.find_first_not_of(" \t\r\n", at) == std::string_view::npos ? at : 0;
}

struct Walk {
  csj_value *values;
  uint32_t depth_limit;

  void keep(const Node *node, csj_type type, const char *bytes, size_t length) const {
    if (node == nullptr || node->slot < 0) return;
    values[node->slot] = csj_value{bytes, static_cast<uint32_t>(length), static_cast<uint32_t>(type)};
  }

  // A value that stands again in the same object takes everything of the earlier one away.
  void forget(const Node *node) const {
    keep(node, CSJ_ABSENT, nullptr, 0);
    for (const auto &child : node->children) forget(child.node.get());
  }

  csj_result object(ondemand::object object, const Node *node, uint32_t depth) const {
    for (auto field : object) {
      ondemand::raw_json_string raw;
      if (field.key().get(raw)) return CSJ_NOT_JSON;
      const Node *child = node == nullptr ? nullptr : node->find_plain(raw.raw());
      if (child == nullptr) {
        std::string_view key;
        if (field.unescaped_key().get(key)) return CSJ_NOT_JSON;
        if (node != nullptr) child = node->find(key);
      }
      ondemand::value value;
      if (field.value().get(value)) return CSJ_NOT_JSON;
      if (child != nullptr && !child->children.empty()) forget(child);
      csj_result result = any(value, child, depth + 1);
      if (result != CSJ_OK) return result;
    }
    return CSJ_OK;
  }

  csj_result array(ondemand::array array, const Node *node, uint32_t depth) const {
    size_t index = 0;
    for (auto element : array) {
      ondemand::value value;
      if (element.get(value)) return CSJ_NOT_JSON;
      const Node *child = node == nullptr || node->children.empty() ? nullptr : node->find(std::to_string(index));
      csj_result result = any(value, child, depth + 1);
      if (result != CSJ_OK) return result;
      index++;
    }
    return CSJ_OK;
  }

  // Inlined: it is called for every value, and goes on by itself only for objects and arrays.
  __attribute__((always_inline)) csj_result any(ondemand::value value, const Node *node, uint32_t depth) const {
    if (depth > depth_limit) return CSJ_TOO_DEEP;
    ondemand::json_type type;
    if (value.type().get(type)) return CSJ_NOT_JSON;
    switch (type) {
      case ondemand::json_type::object: {
        ondemand::object inner;
        if (value.get_object().get(inner)) return CSJ_NOT_JSON;
        keep(node, CSJ_CONTAINER, nullptr, 0);
        return object(inner, node, depth);
      }
      case ondemand::json_type::array: {
        ondemand::array inner;
        if (value.get_array().get(inner)) return CSJ_NOT_JSON;
        keep(node, CSJ_CONTAINER, nullptr, 0);
        return array(inner, node, depth);
      }
      case ondemand::json_type::string: {
        std::string_view text;
        if (value.get_string().get(text)) return CSJ_NOT_JSON;
        keep(node, CSJ_STRING, text.data(), text.size());
        return CSJ_OK;
      }
      case ondemand::json_type::number: {
        std::string_view token = value.raw_json_token();
        size_t length = number_length(token);
        if (length == 0) return CSJ_NOT_JSON;
        keep(node, CSJ_NUMBER, token.data(), length);
        return CSJ_OK;
      }
      case ondemand::json_type::boolean: {
        bool flag;
        if (value.get_bool().get(flag)) return CSJ_NOT_JSON;
        keep(node, CSJ_BOOLEAN, flag ? "true" : "false", flag ? 4 : 5);
        return CSJ_OK;
      }
      case ondemand::json_type::null: {
        bool is_null = false;
        if (value.is_null().get(is_null) || !is_null) return CSJ_NOT_JSON;
        keep(node, CSJ_NULL, nullptr, 0);
        return CSJ_OK;
      }
    }
    return CSJ_NOT_JSON;
  }
};

}  // namespace

struct csj_plan {
  Node root;
  int slots = 0;
};

struct csj_parser {
  ondemand::parser parser;
  std::vector<char> padded;
  uint32_t depth;
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

csj_parser *csj_parser_new(uint32_t depth) {
  auto *parser = new csj_parser();
  parser->depth = depth;
  return parser;
}

void csj_parser_free(csj_parser *parser) { delete parser; }

csj_result csj_parse(csj_parser *parser, const csj_plan *plan, const void *json, size_t length, csj_value *values) {
  std::memset(values, 0, sizeof(csj_value) * static_cast<size_t>(plan->slots));
  if (parser->padded.size() < length + SIMDJSON_PADDING) parser->padded.resize((length + SIMDJSON_PADDING) * 2);
  std::memcpy(parser->padded.data(), json, length);
  std::memset(parser->padded.data() + length, 0, SIMDJSON_PADDING);
  ondemand::document document;
  if (parser->parser.iterate(parser->padded.data(), length, parser->padded.size()).get(document)) return CSJ_NOT_JSON;
  ondemand::json_type type;
  if (document.type().get(type)) return CSJ_NOT_JSON;
  if (type != ondemand::json_type::object) return CSJ_NOT_AN_OBJECT;
  ondemand::object object;
  if (document.get_object().get(object)) return CSJ_NOT_JSON;
  Walk walk{values, parser->depth};
  csj_result result = walk.object(object, &plan->root, 1);
  if (result != CSJ_OK) return result;
  // There is a place to go on only if something follows the object.
  const char *trailing;
  return document.current_location().get(trailing) ? CSJ_OK : CSJ_NOT_JSON;
}

}  // extern "C"
