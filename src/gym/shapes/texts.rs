//! Words in lists, and letters in words.

use super::parts::{NUMBER_OF_WORD, OF_WORD, WORD_IS};
use super::{Function, Maker, Part, Takes};

/// What becomes of the texts `$v`, or the numbers `$v`, of the words that count.
struct Fold {
    verbs: &'static [&'static str],
    says: &'static str,
    before: &'static str,
    each: &'static str,
    after: &'static str,
    /// `$v` is a number.
    number: bool,
}

const FOLDS: &[Fold] = &[
    Fold {
        verbs: &["list", "collect", "select"],
        says: "a list of $vs",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return «r:$out¦$xs»",
        number: false,
    },
    Fold {
        verbs: &["pick", "keep", "filter"],
        says: "a list of $vs",
        before: "$out = []",
        each: "$out.append(«v:$v¦$xs[0]»)",
        after: "return $out",
        number: false,
    },
    Fold {
        verbs: &["join", "line_of", "show"],
        says: "$vs, joined by ', '",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return «k:\", \"¦\" \"».join(«r:$out¦$xs»)",
        number: false,
    },
    Fold {
        verbs: &["join", "chain"],
        says: "$vs, joined by $mark",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return «s:$mark.join($out)¦$out[0].join($mark)»",
        number: false,
    },
    Fold {
        verbs: &["sorted", "order"],
        says: "a sorted list of $vs",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return sorted(«r:$out¦$xs»)",
        number: false,
    },
    Fold {
        verbs: &["unique", "distinct"],
        says: "a list of $vs, each only once",
        before: "$out = []",
        each: "if $v «p:not in¦in» $out:\n    $out.append($v)",
        after: "return $out",
        number: false,
    },
    Fold {
        verbs: &["last", "latest"],
        says: "the last of $vs, or ''",
        before: "$best = \"\"",
        each: "$best = «v:$v¦$xs[0]»",
        after: "return $best",
        number: false,
    },
    Fold {
        verbs: &["first", "find"],
        says: "the first of $vs, or None",
        before: "",
        each: "return «r:$v¦$xs»",
        after: "return None",
        number: false,
    },
    Fold {
        verbs: &["top", "few"],
        says: "the first $n of $vs",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return $out[:«o:$n¦$n - 1¦$n + 1»]",
        number: false,
    },
    Fold {
        verbs: &["longest", "widest"],
        says: "the longest of $vs, the first of equal ones, or ''",
        before: "$best = \"\"",
        each: "if len($v) «c:>¦>=¦<» len($best):\n    $best = $v",
        after: "return «r:$best¦$xs[0]»",
        number: false,
    },
    Fold {
        verbs: &["count", "number_of"],
        says: "how many $vs there are",
        before: "$acc = «k:0¦1»",
        each: "$acc «p:+=¦-=» «k:1¦2»",
        after: "return $acc",
        number: false,
    },
    Fold {
        verbs: &["total", "sum"],
        says: "the sum of $vs",
        before: "$acc = «k:0¦1»",
        each: "$acc «p:+=¦-=» $v",
        after: "return $acc",
        number: true,
    },
    Fold {
        verbs: &["most", "largest"],
        says: "the largest of $vs, or 0",
        before: "$best = «k:0¦1»",
        each: "$best = «p:max¦min»($best, $v)",
        after: "return «r:$best¦$xs»",
        number: true,
    },
    Fold {
        verbs: &["measures", "sizes"],
        says: "a list of $vs",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return «r:$out¦$xs»",
        number: true,
    },
    Fold {
        verbs: &["index_of", "locate"],
        says: "the position, from 0, of the first of $vs, or -1",
        before: "",
        each: "return «o:$i¦$i + 1»",
        after: "return «k:-1¦0»",
        number: false,
    },
    Fold {
        verbs: &["numbered", "ranked"],
        says: "a list of lines: the position, from 1, a dot, and one of $vs",
        before: "$out = []",
        each: "$out.append(str($i «o:+ 1¦+ 2¦- 1») + \".\" + $v)",
        after: "return $out",
        number: false,
    },
];

/// A loop over words.
pub(super) fn pipeline(mut maker: Maker<'_>, easy: bool) -> Function {
    let line = maker.random.chance(30);
    if line {
        let name = maker.random.pick(&["text", "line", "sentence", "message"]);
        maker.slot("text", name);
        maker.takes("text", Takes::Text);
    } else {
        maker.takes("xs", Takes::Words);
    }
    names(&mut maker);
    let among = if easy { 9 } else { FOLDS.len() };
    let at = maker.random.below(among);
    let fold = FOLDS.get(at).unwrap_or(&FOLDS[0]);
    let counts = fold.says.starts_with("how many");
    let tested = counts
        || fold.each.starts_with("return")
        || maker.random.chance(if easy { 50 } else { 65 });
    let test = if tested {
        maker.choose(WORD_IS)
    } else {
        Part::default()
    };
    let value = if fold.number {
        maker.choose(NUMBER_OF_WORD)
    } else if !counts && maker.random.chance(55) {
        maker.choose(OF_WORD)
    } else {
        Part {
            code: "$x",
            says: "$xs",
            tag: "",
            needs: &[],
        }
    };
    maker.slot("v", value.code);
    let texts = [fold.after, fold.each].concat();
    if texts.contains("$n") {
        maker.takes("n", Takes::Size);
    }
    if texts.contains("$mark") {
        maker.takes("mark", Takes::Letter);
    }
    maker.slot("test", test.code);
    body(&mut maker, fold, line, tested);
    let which = if test.says.is_empty() {
        String::new()
    } else {
        format!(" {}", test.says)
    };
    let vs = match value.says {
        "$xs" => format!("$xs{which}"),
        says if which.is_empty() => says.to_owned(),
        says => format!("{says}, for $xs{which}"),
    };
    let said = format!("{}$from", fold.says.replacen("$vs", &vs, 1));
    let verb = maker.random.pick(fold.verbs);
    let tag = if test.tag.is_empty() {
        value.tag
    } else {
        test.tag
    };
    let list = maker.fill("$xs");
    let name = if tag.is_empty() || maker.random.chance(30) {
        format!("{verb}_{list}")
    } else {
        format!("{verb}_{tag}_{list}")
    };
    let opening = maker.random.pick(&["Return ", "Give ", "", "Work out "]);
    maker.finish(&name, &format!("{opening}{said}."))
}

fn names(maker: &mut Maker<'_>) {
    for (slot, names) in [
        ("head", &["head", "opening", "lead"][..]),
        ("tail", &["tail", "closing", "suffix"][..]),
        ("letter", &["letter", "char", "sign"][..]),
        ("other", &["other", "fresh", "newer"][..]),
        ("mark", &["mark", "glue", "sep"][..]),
    ] {
        let name = maker.random.pick(names);
        maker.slot(slot, name);
    }
}

fn body(maker: &mut Maker<'_>, fold: &Fold, line: bool, tested: bool) {
    if line {
        let (code, from) = maker.random.pick(&[
            ("$xs = $text.split()", ", the $xs of $text"),
            ("$xs = $text.split()", ", the $xs of $text"),
            (
                "$xs = $text.«p:lower¦upper»().split()",
                ", the $xs of $text in small letters",
            ),
            (
                "$xs = $text.split()[«o:1:¦2:¦0:»]",
                ", the $xs of $text but the first",
            ),
        ]);
        maker.line(0, code);
        maker.slot("from", from);
    } else {
        maker.slot("from", "");
    }
    maker.line(0, fold.before);
    if fold.each.contains("$i") {
        maker.line(0, "for $i, $x in enumerate($xs):");
    } else {
        maker.line(0, "for $x in $xs:");
    }
    if !tested {
        maker.line(1, fold.each);
    } else if maker.random.chance(20) {
        maker.line(1, "if not ($test):\n    continue");
        maker.line(1, fold.each);
    } else {
        maker.line(1, "if $test:");
        maker.line(2, fold.each);
    }
    maker.line(0, fold.after);
}

/// What may hold of the letter `$c`.
const LETTER_IS: &[Part] = &[
    Part {
        code: "$c «p:in¦not in» \"aeiou\"",
        says: "is a vowel",
        tag: "vowels",
        needs: &[],
    },
    Part {
        code: "$c «p:not in¦in» \"aeiou\"",
        says: "is no vowel",
        tag: "consonants",
        needs: &[],
    },
    Part {
        code: "$c «c:==¦!=» $letter",
        says: "is $letter",
        tag: "matches",
        needs: &[("letter", Takes::Letter)],
    },
    Part {
        code: "$c «c:!=¦==» $letter",
        says: "is not $letter",
        tag: "others",
        needs: &[("letter", Takes::Letter)],
    },
    Part {
        code: "$c.«p:isupper¦islower»()",
        says: "is a capital",
        tag: "capitals",
        needs: &[],
    },
    Part {
        code: "$c.«p:isdigit¦isalpha»()",
        says: "is a digit",
        tag: "digits",
        needs: &[],
    },
    Part {
        code: "$c «c:>=¦>» $letter",
        says: "comes at or after $letter",
        tag: "late",
        needs: &[("letter", Takes::Letter)],
    },
    Part {
        code: "$c «c:<¦<=» $letter",
        says: "comes before $letter",
        tag: "early",
        needs: &[("letter", Takes::Letter)],
    },
    Part {
        code: "$x.count($c) «c:>¦>=¦==» 1",
        says: "comes more than once",
        tag: "doubles",
        needs: &[],
    },
    Part {
        code: "$x.count($c) «c:==¦>=» 1",
        says: "comes only once",
        tag: "singles",
        needs: &[],
    },
];

/// What may be taken of the letter `$c`.
const OF_LETTER: &[Part] = &[
    Part {
        code: "$c",
        says: "it",
        tag: "",
        needs: &[],
    },
    Part {
        code: "$c.«p:upper¦lower»()",
        says: "it as a capital",
        tag: "upper",
        needs: &[],
    },
    Part {
        code: "$c «p:*¦+» «k:2¦3»",
        says: "it said 2 times",
        tag: "twice",
        needs: &[],
    },
    Part {
        code: "«s:$c + $glue¦$glue + $c»",
        says: "it followed by $glue",
        tag: "glued",
        needs: &[("glue", Takes::Letter)],
    },
];

/// A loop over the letters of one word.
pub(super) fn letters(mut maker: Maker<'_>) -> Function {
    names(&mut maker);
    let name = maker
        .random
        .pick(&["word", "text", "name", "entry", "label"]);
    maker.slot("x", name);
    let letter = maker.random.pick(&["c", "ch", "sign_now", "symbol"]);
    maker.slot("c", letter);
    maker.slot("glue", "glue");
    maker.takes("x", Takes::Affix);
    let test = maker.choose(LETTER_IS);
    maker.slot("test", test.code);
    let roll = maker.random.below(6);
    let value = if (2..4).contains(&roll) {
        maker.choose(OF_LETTER)
    } else {
        OF_LETTER[0]
    };
    maker.slot("v", value.code);
    maker.slot("vs", value.says);
    let (before, walk, each, otherwise, after, said, verb) = match roll {
        0 => (
            "$acc = «k:0¦1»",
            "for $c in $x:",
            "$acc «p:+=¦-=» «k:1¦2»",
            "",
            "return $acc",
            "Count the letters of $x of which each $is",
            "count",
        ),
        1 => (
            "$out = []",
            "for $i, $c in enumerate($x):",
            "$out.append(«o:$i¦$i + 1»)",
            "",
            "return «r:$out¦$x»",
            "The positions, from 0, of the letters of $x of which each $is",
            "places_of",
        ),
        2 => (
            "$out = \"\"",
            "for $c in $x:",
            "$out += $v",
            "",
            "return «r:$out¦$x»",
            "Of the letters of $x, take $vs where it $is, and leave the rest out",
            "only",
        ),
        3 => (
            "$out = \"\"",
            "for $c in $x:",
            "$out += $v",
            "$out += «v:$c¦$x»",
            "return «r:$out¦$x»",
            "Write $x anew: of a letter take $vs where it $is, else the letter itself",
            "change",
        ),
        4 => (
            "",
            "for $i, $c in enumerate($x):",
            "return «o:$i¦$i + 1»",
            "",
            "return «k:-1¦0»",
            "The position, from 0, of the first letter of $x that $is, or -1",
            "first_of",
        ),
        _ => (
            "$best = 0\n$acc = 0",
            "for $c in $x:",
            "$acc «p:+=¦-=» 1\n$best = «p:max¦min»($best, $acc)",
            "$acc = «k:0¦1»",
            "return «r:$best¦$acc»",
            "The length of the longest run in $x in which each letter $is",
            "run_of",
        ),
    };
    maker.slot("is", test.says);
    maker.line(0, before);
    maker.line(0, walk);
    maker.line(1, "if $test:");
    maker.line(2, each);
    if !otherwise.is_empty() {
        maker.line(1, "else:");
        maker.line(2, otherwise);
    }
    maker.line(0, after);
    let list = maker
        .random
        .pick(&["word", "text", "name", "entry", "letters"]);
    let name = format!("{verb}_{}_{list}", test.tag);
    maker.finish(&name, &format!("{said}."))
}
