"""What letters are made of: words. Merge tags, Markdown, typography, dates and slugs.

Everything here takes values and gives values: no file, no network, no database, no clock. Of the
rest of the house it knows only errors and words, for `document`; the other modules raise a plain
`ValueError` of their own.

- `merge`: the fixed list of `{{name|fallback}}` tags, and the tokens that carry them through
  Markdown, typography and HTML;
- `markdown`: CommonMark to HTML, to one line, and to plain text that reads like a letter; behind
  that door, `commonmark` parses, `prose` writes the plain text and `wrapping` fills its lines;
- `typography`: French (and a little English) spacing on plain text;
- `dates`: dates and hours as people say them;
- `document`: a YAML text as plain values and the place of each;
- `languages`: the names of languages;
- `slugs`: names for addresses and anchors.

What does *not* live here: what a block or an issue is (`blocks`, `issues`), MJML, inlining and
MIME (`render`), the values of merge tags (`render` for an edition's, `delivery` for a person's).
"""
