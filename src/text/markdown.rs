//! Markdown as lines of a width: issue texts, what models say.
//!
//! As GitHub shows issues: a line end is a line end, bare addresses are links, tables and task lists are known. HTML is shown
//! as the text it is, an image as its words. Lines that look like a Python session (`>>> `) are code, though Markdown takes
//! them for quotations. The writer of the text is not trusted: all of it is made safe, nesting beyond a few levels is not
//! indented further, and [`Link`]s are kept only for web and mail addresses without anything hidden in them.

mod session;
mod table;

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd, TextMergeStream};

use super::line::{Ink, Line};
use super::role::Role;
use super::safe;
use super::wrap::{self, Hang};

/// Bytes that are read; the rest is counted.
const MAX_BYTES: usize = 256 * 1024;
/// Levels of lists and quotations that are indented.
const MAX_DEPTH: usize = 12;
/// Columns between tab stops in code.
const TAB: usize = 4;

/// Where a link is on the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which line.
    pub line: usize,
    /// Which columns of it.
    pub columns: Range<usize>,
    /// Where it goes: `http`, `https` or `mailto`, printable ASCII.
    pub url: String,
}

/// A text laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Its lines, none wider than was asked for.
    pub lines: Vec<Line>,
    /// Its links, in order; one that goes over several lines is there for each.
    pub links: Vec<Link>,
}

/// Gives the lines of a code block, from its text and the word after its fence (empty where there is none); `None` leaves it
/// in one colour. [`super::highlight::snippet`] does for short ones.
pub type Code<'a> = dyn Fn(&str, &str) -> Option<Vec<Line>> + 'a;

/// Lay a text out.
#[must_use]
pub fn page(text: &str, width: usize, code: &Code<'_>) -> Page {
    let end = text.floor_char_boundary(MAX_BYTES);
    let (text, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let text = session::fenced(text);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer::new(width, code);
    for event in TextMergeStream::new(Parser::new_ext(&text, options)) {
        writer.event(event);
    }
    writer.flush();
    if !rest.is_empty() {
        let more = format!("… {} more bytes", rest.len());
        writer
            .page
            .lines
            .push(wrap::cut(&Line::of(more, Role::Dim), width));
    }
    writer.page
}

/// Columns of a line, and where they lead.
type Linked = (Range<usize>, String);

/// Text within a block: lines, and links by line and bytes.
#[derive(Default)]
struct Inline {
    lines: Vec<Line>,
    links: Vec<(usize, Range<usize>, String)>,
    /// Bytes of the last line that earlier lines of the source gave.
    joined: usize,
}

/// A line of the source that is this long was broken by its writer's editor, not by its writer.
const HARD_WRAPPED: usize = 50;

impl Inline {
    /// A line of the source ends within a paragraph: as on GitHub that breaks the line, but for text that was hard-wrapped.
    fn soft_break(&mut self) {
        let Some(line) = self.lines.last_mut() else {
            return;
        };
        let length = line.text().len();
        if length.saturating_sub(self.joined) >= HARD_WRAPPED {
            line.push(" ", Ink::default());
            self.joined = length + 1;
        } else {
            self.lines.push(Line::new());
            self.joined = 0;
        }
    }

    fn push(&mut self, text: &str, ink: Ink, url: Option<&str>) {
        if self.lines.is_empty() {
            self.lines.push(Line::new());
        }
        let last = self.lines.len() - 1;
        let Some(line) = self.lines.last_mut() else {
            return;
        };
        let from = line.text().len();
        line.push(text, ink);
        let range = from..line.text().len();
        let Some(url) = url else { return };
        match self.links.last_mut() {
            Some((at, known, to)) if *at == last && known.end == range.start && to == url => {
                known.end = range.end;
            }
            _ => self.links.push((last, range, url.to_owned())),
        }
    }
}

/// What stands before the lines of a block.
struct Margin {
    first: Option<Line>,
    then: Line,
}

struct Writer<'a> {
    width: usize,
    code: &'a Code<'a>,
    page: Page,
    inline: Inline,
    margins: Vec<Margin>,
    /// The next number of each open list; none where it is not numbered.
    lists: Vec<Option<u64>>,
    strong: usize,
    emphasis: usize,
    struck: usize,
    quote: usize,
    heading: bool,
    /// Addresses of the links around; none where one is not fit to be followed.
    urls: Vec<Option<String>>,
    /// The open code block: the word after its fence, and its text.
    block: Option<(String, String)>,
    table: Option<table::Table>,
}

impl<'a> Writer<'a> {
    fn new(width: usize, code: &'a Code<'a>) -> Self {
        Self {
            width: width.max(1),
            code,
            page: Page::default(),
            inline: Inline::default(),
            margins: Vec::new(),
            lists: Vec::new(),
            strong: 0,
            emphasis: 0,
            struck: 0,
            quote: 0,
            heading: false,
            urls: Vec::new(),
            block: None,
            table: None,
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.block {
                Some((_, code)) => code.push_str(&text),
                None => self.text(&text),
            },
            Event::Code(text) => self.push(&text, Ink::of(Role::MarkupCode)),
            Event::Html(html) => {
                for line in html.lines() {
                    self.push(line, Ink::of(Role::Dim));
                    self.flush();
                }
            }
            Event::InlineHtml(html) => self.push(&html, Ink::of(Role::Dim)),
            Event::SoftBreak | Event::HardBreak if self.table.is_some() => {
                self.push(" ", Ink::default());
            }
            Event::SoftBreak => self.inline.soft_break(),
            Event::HardBreak => {
                self.inline.lines.push(Line::new());
                self.inline.joined = 0;
            }
            Event::Rule => {
                self.gap();
                let room = self.room();
                self.put(&Line::of("─".repeat(room), Role::Rule));
            }
            Event::TaskListMarker(done) => {
                let mark = if done { "[x] " } else { "[ ] " };
                self.push(mark, Ink::of(Role::MarkupList));
            }
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.gap(),
            Tag::Heading { level, .. } => {
                self.gap();
                self.heading = true;
                self.push(&format!("{} ", "#".repeat(level as usize)), self.ink());
            }
            Tag::BlockQuote(_) => {
                self.gap();
                self.quote += 1;
                let bar = Line::of("│ ", Role::MarkupQuote);
                self.margins.push(Margin {
                    first: None,
                    then: bar,
                });
            }
            Tag::CodeBlock(kind) => {
                self.gap();
                let word = match kind {
                    CodeBlockKind::Fenced(word) => word.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.block = Some((word, String::new()));
            }
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.gap();
                }
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                let sign = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let sign = format!("{number}. ");
                        *number = number.saturating_add(1);
                        sign
                    }
                    _ => "• ".to_owned(),
                };
                let blank = " ".repeat(wrap::columns(&sign));
                self.margins.push(Margin {
                    first: Some(Line::of(sign, Role::MarkupList)),
                    then: Line::of(blank, Role::Text),
                });
            }
            Tag::Table(alignments) => {
                self.gap();
                self.table = Some(table::Table::new(alignments));
            }
            Tag::Emphasis => self.emphasis += 1,
            Tag::Strong => self.strong += 1,
            Tag::Strikethrough => self.struck += 1,
            Tag::Link { dest_url, .. } => self.urls.push(fit(&dest_url)),
            Tag::Image { dest_url, .. } => {
                self.urls.push(fit(&dest_url));
                self.push("image: ", Ink::of(Role::Dim));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.flush(),
            TagEnd::Heading(_) => {
                self.flush();
                self.heading = false;
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quote = self.quote.saturating_sub(1);
                self.margins.pop();
            }
            TagEnd::CodeBlock => self.code_block(),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Item => {
                self.flush();
                // An empty item still has its sign.
                if self
                    .margins
                    .last()
                    .is_some_and(|margin| margin.first.is_some())
                {
                    self.put(&Line::new());
                }
                self.margins.pop();
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(table) = &mut self.table {
                    table.push(cell);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                if let Some(table) = &mut self.table {
                    table.end_row();
                }
            }
            TagEnd::Table => {
                let Some(table) = self.table.take() else {
                    return;
                };
                let room = self.room();
                for (line, links) in table.lines(room) {
                    self.put_linked(&line, links);
                }
            }
            TagEnd::Emphasis => self.emphasis = self.emphasis.saturating_sub(1),
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => {
                self.urls.pop();
            }
            _ => {}
        }
    }

    fn ink(&self) -> Ink {
        let role = if !self.urls.is_empty() {
            Role::MarkupLink
        } else if self.heading {
            Role::MarkupHeading
        } else if self.struck > 0 {
            Role::Dim
        } else if self.strong > 0 {
            Role::MarkupBold
        } else if self.emphasis > 0 {
            Role::MarkupItalic
        } else if self.quote > 0 {
            Role::MarkupQuote
        } else {
            Role::Text
        };
        Ink {
            bold: self.strong > 0,
            italic: self.emphasis > 0,
            ..Ink::of(role)
        }
    }

    fn push(&mut self, text: &str, ink: Ink) {
        let url = self.urls.last().cloned().flatten();
        self.inline
            .push(&wrap::clean(text, TAB), ink, url.as_deref());
    }

    /// Prose, its bare addresses made links.
    fn text(&mut self, text: &str) {
        let ink = self.ink();
        let mut rest = text;
        while self.urls.is_empty() {
            let start = [rest.find("https://"), rest.find("http://")];
            let Some(start) = start.into_iter().flatten().min() else {
                break;
            };
            let (before, from) = rest.split_at_checked(start).unwrap_or((rest, ""));
            let over = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`');
            let end = from.find(over).unwrap_or(from.len());
            let address = from.get(..end).unwrap_or(from);
            let address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '*']);
            self.push(before, ink);
            self.urls.push(fit(address));
            self.push(address, self.ink());
            self.urls.pop();
            rest = from.get(address.len()..).unwrap_or_default();
        }
        self.push(rest, ink);
    }

    fn code_block(&mut self) {
        let Some((word, text)) = self.block.take() else {
            return;
        };
        let word = if word.is_empty() && session::is_session(&text) {
            session::WORD
        } else {
            &word
        };
        let lines = (self.code)(&text, word).unwrap_or_else(|| {
            let line = |raw| Line::of(wrap::clean(raw, TAB), Role::MarkupCode);
            text.lines().map(line).collect()
        });
        let room = self.room().saturating_sub(2);
        for line in lines {
            for row in wrap::rows(&line, room, Hang::Indent) {
                let mut indented = Line::of("  ", Role::Text);
                indented.append(&row);
                self.put(&indented);
            }
        }
    }

    /// Columns right of the margins.
    fn room(&self) -> usize {
        let margins = self.margins.iter().take(MAX_DEPTH);
        let taken: usize = margins.map(|margin| margin.then.width()).sum();
        self.width.saturating_sub(taken).max(1)
    }

    /// A blank line before a block, but for the first of a text or an item.
    fn gap(&mut self) {
        self.flush();
        let begun = self
            .margins
            .last()
            .is_some_and(|margin| margin.first.is_some());
        let blank = |line: &Line| line.text().trim_matches([' ', '│']).is_empty();
        if !begun && !self.page.lines.last().is_none_or(blank) {
            self.put(&Line::new());
        }
    }

    /// Write the block's text.
    fn flush(&mut self) {
        if self.table.is_some() {
            return;
        }
        let inline = std::mem::take(&mut self.inline);
        let room = self.room();
        let mut links = inline.links.as_slice();
        for (number, line) in inline.lines.iter().enumerate() {
            let rows = wrap::rows(line, room, Hang::None);
            let spans = wrap::spans(line.text(), room, Hang::None);
            for (row, span) in rows.into_iter().zip(spans) {
                let shown = span.range;
                let past = links
                    .iter()
                    .take_while(|(at, range, _)| (*at, range.end) <= (number, shown.start))
                    .count();
                links = links.get(past..).unwrap_or_default();
                let column = |at: usize| {
                    let at = at.clamp(shown.start, shown.end);
                    wrap::columns(line.text().get(shown.start..at).unwrap_or_default())
                };
                let found = links
                    .iter()
                    .take_while(|(at, range, _)| (*at, range.start) < (number, shown.end))
                    .map(|(_, range, url)| (column(range.start)..column(range.end), url.clone()))
                    .collect();
                self.put_linked(&row, found);
            }
        }
    }

    fn put(&mut self, line: &Line) {
        self.put_linked(line, Vec::new());
    }

    /// Write a line behind the margins.
    fn put_linked(&mut self, line: &Line, links: Vec<Linked>) {
        let mut whole = Line::new();
        for margin in self.margins.iter_mut().take(MAX_DEPTH) {
            whole.append(&margin.first.take().unwrap_or_else(|| margin.then.clone()));
        }
        for margin in self.margins.iter_mut().skip(MAX_DEPTH) {
            margin.first = None;
        }
        let before = wrap::columns(whole.text());
        whole.append(line);
        let number = self.page.lines.len();
        self.page.lines.push(wrap::cut(&whole, self.width));
        for (columns, url) in links {
            let columns = before + columns.start..(before + columns.end).min(self.width);
            if !columns.is_empty() {
                self.page.links.push(Link {
                    line: number,
                    columns,
                    url,
                });
            }
        }
    }
}

/// An address that may be handed to a terminal.
fn fit(url: &str) -> Option<String> {
    let known = ["http://", "https://", "mailto:"];
    let fit = known.iter().any(|scheme| url.starts_with(scheme))
        && url.len() <= 2048
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && !url.chars().any(safe::is_hidden);
    fit.then(|| url.to_owned())
}

#[cfg(test)]
mod tests;
