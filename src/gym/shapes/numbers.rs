//! A loop over numbers: which of them count, what is taken of each, what becomes of them all.

use super::parts::{NUMBER_IS, OF_NUMBER};
use super::{Function, Maker, Part, Takes};

/// What becomes of the values `$v` of the items that count.
struct Fold {
    /// What the function is called, before the rest of its name.
    verbs: &'static [&'static str],
    /// What it returns, before "of …" or "…".
    says: &'static str,
    /// Before the loop.
    before: &'static str,
    /// For each item that counts.
    each: &'static str,
    /// After the loop.
    after: &'static str,
    /// Whether `$v` is used, so that something may be taken of each item.
    takes_value: bool,
    /// The loop counts positions in `$i`.
    counted: bool,
    /// It needs a condition to mean anything.
    needs_test: bool,
    /// What a function without items returns; a guard returns something else.
    empty: &'static str,
}

const FOLDS: &[Fold] = &[
    Fold {
        verbs: &["sum", "total", "add_up"],
        says: "the sum of $vs",
        before: "$acc = «k:0¦1»",
        each: "$acc «p:+=¦-=¦*=» $v",
        after: "return $acc",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["sum", "total", "gather"],
        says: "the sum of $vs",
        before: "$acc = 0",
        each: "$acc «p:+=¦-=» $v",
        after: "return «r:$acc¦$v_last»",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["count", "number_of", "tally"],
        says: "how many $xs are there",
        before: "$acc = «k:0¦1»",
        each: "$acc «p:+=¦-=» «k:1¦2»",
        after: "return $acc",
        takes_value: false,
        counted: false,
        needs_test: true,
        empty: "0",
    },
    Fold {
        verbs: &["list", "collect", "select"],
        says: "a list of $vs",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return «r:$out¦$xs»",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "[]",
    },
    Fold {
        verbs: &["largest", "max", "highest"],
        says: "the largest of $vs, or None",
        before: "$best = None",
        each: "if $best is None or $v «c:>¦<» $best:\n    $best = $v",
        after: "return «r:$best¦$xs[-1]»",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "None",
    },
    Fold {
        verbs: &["smallest", "min", "lowest"],
        says: "the smallest of $vs, or None",
        before: "$best = None",
        each: "if $best is None or $v «c:<¦>» $best:\n    $best = $v",
        after: "return «r:$best¦$xs[0]»",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "None",
    },
    Fold {
        verbs: &["first", "find"],
        says: "the first of $vs, or «k» when there is none",
        before: "",
        each: "return $v",
        after: "return «k:-1¦0¦1»",
        takes_value: true,
        counted: false,
        needs_test: true,
        empty: "-1",
    },
    Fold {
        verbs: &["last", "latest"],
        says: "the last of $vs, or None",
        before: "$best = None",
        each: "$best = «v:$v¦$xs[0]»",
        after: "return $best",
        takes_value: true,
        counted: false,
        needs_test: true,
        empty: "None",
    },
    Fold {
        verbs: &["has", "any"],
        says: "whether there are $xs",
        before: "",
        each: "return «r:True¦False»",
        after: "return «r:False¦True»",
        takes_value: false,
        counted: false,
        needs_test: true,
        empty: "False",
    },
    Fold {
        verbs: &["index_of", "locate"],
        says: "the position, from 0, of the first of $xs, or -1",
        before: "",
        each: "return «o:$i¦$i + 1¦$i - 1»",
        after: "return «k:-1¦0»",
        takes_value: false,
        counted: true,
        needs_test: true,
        empty: "-1",
    },
    Fold {
        verbs: &["positions", "where"],
        says: "the positions, from 0, of $xs",
        before: "$out = []",
        each: "$out.append(«v:$i¦$x»)",
        after: "return $out",
        takes_value: false,
        counted: true,
        needs_test: true,
        empty: "[]",
    },
    Fold {
        verbs: &["ranks", "places"],
        says: "the positions, counted from 1, of $xs",
        before: "$out = []",
        each: "$out.append($i «o:+ 1¦- 1¦+ 2»)",
        after: "return $out",
        takes_value: false,
        counted: true,
        needs_test: true,
        empty: "[]",
    },
    Fold {
        verbs: &["weighted", "ranked"],
        says: "the sum of $vs, each times its position from 1",
        before: "$acc = 0",
        each: "$acc += $v * («o:$i + 1¦$i»)",
        after: "return $acc",
        takes_value: true,
        counted: true,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["running", "cumulate"],
        says: "the running sums of $vs",
        before: "$acc = 0\n$out = []",
        each: "$acc «p:+=¦-=» $v\n$out.append(«v:$acc¦$v»)",
        after: "return $out",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "[]",
    },
    Fold {
        verbs: &["spread", "span"],
        says: "the largest minus the smallest of $vs, or 0",
        before: "$out = []",
        each: "$out.append($v)",
        after: "?if not $out:\n?    return 0\nreturn «s:max($out) - min($out)¦min($out) - max($out)»",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["mean", "average"],
        says: "the mean of $vs, rounded down, or 0 for none",
        before: "$acc = 0\n$seen = «k:0¦1»",
        each: "$acc += $v\n$seen += 1",
        after: "?if $seen == 0:\n?    return 0\nreturn $acc «p://¦*¦%» $seen",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["split", "divide"],
        says: "two lists: $xs that are, and the rest",
        before: "$out, $rest = [], []",
        each: "$out.append($x)\ncontinue",
        after: "return «s:$out, $rest¦$rest, $out»",
        takes_value: false,
        counted: false,
        needs_test: true,
        empty: "([], [])",
    },
    Fold {
        verbs: &["sorted", "order"],
        says: "a sorted list of $vs",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return sorted(«r:$out¦$xs»)",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "[]",
    },
    Fold {
        verbs: &["top", "best"],
        says: "the largest $n of $vs, largest first",
        before: "$out = []",
        each: "$out.append($v)",
        after: "return sorted($out)[::«k:-1¦1»][:«o:$n¦$n + 1¦$n - 1»]",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "[]",
    },
    Fold {
        verbs: &["sum", "total"],
        says: "the sum of $vs, but no more than $cap",
        before: "$acc = 0",
        each: "$acc += $v",
        after: "return «p:min¦max»($acc, $cap)",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["sum", "total"],
        says: "the sum of $vs less a fee of $cap",
        before: "$acc = 0",
        each: "$acc += $v",
        after: "return «s:$acc - $cap¦$cap - $acc»",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
    Fold {
        verbs: &["excess", "overrun"],
        says: "by how much the sum of $vs exceeds $cap, at least 0",
        before: "$acc = 0",
        each: "$acc += $v",
        after: "return max(0, «s:$acc - $cap¦$cap - $acc»)",
        takes_value: true,
        counted: false,
        needs_test: false,
        empty: "0",
    },
];

/// Ways to walk a list: the opening lines, what is said of it, whether it counts in `$i`.
const WALKS: &[(&str, &str, bool)] = &[
    ("for $x in $xs:", "", false),
    ("for $x in $xs:", "", false),
    ("for $x in $xs:", "", false),
    (
        "for $i in range(«o:len($xs)¦len($xs) - 1»):\n    $x = $xs[$i]",
        "",
        true,
    ),
    ("for $i, $x in enumerate($xs):", "", true),
    (
        "for $x in $xs[«o:1:¦2:¦0:»]:",
        ", the first one left out",
        false,
    ),
    (
        "for $x in $xs[:«o:-1¦-2»]:",
        ", the last one left out",
        false,
    ),
    (
        "for $x in $xs[:«o:$n¦$n - 1¦$n + 1»]:",
        " among the first $n",
        false,
    ),
    (
        "for $x in $xs[::«k:2¦3¦1»]:",
        " among every second one",
        false,
    ),
    ("for $x in $xs[«o:-$n:¦:$n»]:", " among the last $n", false),
];

/// Says what is wanted at the beginning of a docstring.
const OPENINGS: &[&str] = &["Return ", "Give ", "", "Compute ", "Work out "];

/// The pipeline.
pub(super) fn pipeline(mut maker: Maker<'_>, easy: bool) -> Function {
    maker.takes("xs", Takes::Ints);
    let fold = choose(&mut maker, easy);
    let tested = fold.needs_test || maker.random.chance(if easy { 45 } else { 70 });
    let test = if tested {
        maker.choose(NUMBER_IS)
    } else {
        Part::default()
    };
    let valued = fold.takes_value && maker.random.chance(if easy { 35 } else { 65 });
    value(&mut maker, valued, &test);
    extras(&mut maker, fold);
    let (walk, among) = walk(&mut maker, fold, easy);
    maker.slot("test", test.code);
    guard(&mut maker, fold, &walk);
    maker.line(0, fold.before);
    maker.line(0, &walk);
    body(&mut maker, fold, tested);
    maker.line(0, fold.after);
    let said = said(&maker, fold, &test, among);
    let opening = maker.random.pick(OPENINGS);
    let verb = maker.random.pick(fold.verbs);
    let tag = maker.slots.get("tag").cloned().unwrap_or_default();
    let tags = [test.tag, tag.as_str()];
    let tag = tags
        .iter()
        .find(|tag| !tag.is_empty())
        .map(|tag| maker.fill(tag));
    let list = maker.fill("$xs");
    let name = match (tag, maker.random.below(3)) {
        (Some(tag), 0) => format!("{verb}_{tag}_{list}"),
        (Some(tag), 1) => format!("{verb}_{list}_{tag}"),
        _ => format!("{verb}_{list}"),
    };
    let guarded = maker.slots.get("guarded").cloned().unwrap_or_default();
    maker.finish(&name, &format!("{opening}{said}.{guarded}"))
}

fn choose(maker: &mut Maker<'_>, easy: bool) -> &'static Fold {
    // The plain ones come first in the table.
    let among = if easy {
        FOLDS.len().min(12)
    } else {
        FOLDS.len()
    };
    let at = maker.random.below(among);
    FOLDS.get(at).unwrap_or(&FOLDS[0])
}

/// What is taken of each item, as `$v` with its words in `$vs`.
fn value(maker: &mut Maker<'_>, valued: bool, test: &Part) {
    let part = if valued {
        maker.choose(OF_NUMBER)
    } else if let Some((slot, _)) = test.needs.first().filter(|_| maker.random.chance(30)) {
        // A parameter is near: it can be mistaken for the item.
        let code = format!("«v:$x¦${slot}»");
        maker.slot("v", &code);
        maker.slot("vs", "$xs");
        return;
    } else {
        Part {
            code: "$x",
            says: "$xs",
            tag: "",
            needs: &[],
        }
    };
    maker.slot("v", part.code);
    maker.slot("vs", part.says);
    maker.slot("tag", part.tag);
}

/// Parameters that only some folds have.
fn extras(maker: &mut Maker<'_>, fold: &Fold) {
    let texts = [fold.after, fold.before, fold.each].concat();
    if texts.contains("$n") {
        maker.takes("n", Takes::Size);
    }
    if texts.contains("$cap") {
        let name = maker
            .random
            .pick(&["cap", "most", "budget", "allowance", "ceiling"]);
        maker.slot("cap", name);
        maker.takes("cap", Takes::Any);
    }
    let rest = maker.random.pick(&["rest", "others", "left"]);
    maker.slot("rest", rest);
    let seen = maker.random.pick(&["seen", "size_so_far", "used"]);
    maker.slot("seen", seen);
    maker.slot("v_last", "$x");
}

fn walk(maker: &mut Maker<'_>, fold: &Fold, easy: bool) -> (String, &'static str) {
    if fold.counted {
        let walk = if maker.random.chance(60) {
            "for $i, $x in enumerate($xs):"
        } else {
            "for $i in range(«o:len($xs)¦len($xs) - 1»):\n    $x = $xs[$i]"
        };
        return (walk.to_owned(), "");
    }
    let among = if easy { 5 } else { WALKS.len() };
    let at = maker.random.below(among);
    let (walk, says, _) = WALKS.get(at).copied().unwrap_or(WALKS[0]);
    if walk.contains("$n") {
        maker.takes("n", Takes::Size);
    }
    (walk.to_owned(), says)
}

/// Sometimes a list without items is treated apart.
fn guard(maker: &mut Maker<'_>, fold: &Fold, walk: &str) {
    let apart = maker.random.pick(&["None", "-1", "0"]);
    if apart == fold.empty || walk.contains("[:-") || !maker.random.chance(22) {
        return;
    }
    let text = format!("?if not $xs:\n?    return {apart}");
    maker.line(0, &text);
    let says = maker.random.pick(&[
        " No $xs give ",
        " Without $xs it is ",
        " For an empty list, ",
    ]);
    maker.slot("guarded", &format!("{says}{apart}."));
}

/// The loop's inside: the test and what happens to an item that passes.
fn body(maker: &mut Maker<'_>, fold: &Fold, tested: bool) {
    if !tested {
        maker.line(1, fold.each);
    } else if fold.says.starts_with("two lists") {
        maker.line(1, "if $test:");
        maker.line(2, fold.each);
        maker.line(1, "$rest.append(«v:$x¦$out»)");
    } else if maker.random.chance(22) {
        maker.line(1, "if not ($test):\n    continue");
        maker.line(1, fold.each);
    } else {
        maker.line(1, "if $test:");
        maker.line(2, fold.each);
    }
}

/// The docstring's sentence.
fn said(maker: &Maker<'_>, fold: &Fold, test: &Part, among: &str) -> String {
    let which = match test.says {
        "" => String::new(),
        says => format!(" for $xs {says}"),
    };
    let said = match (fold.says, maker.slots.get("vs").map(String::as_str)) {
        (says, _) if says.contains("$xs that are, and") => {
            format!("two lists: $xs {}, and the rest", test.says)
        }
        (says, _) if says.contains("$xs are there") => format!("how many $xs are {}", test.says),
        (says, _) if says.contains("there are $xs") => {
            format!("whether any of $xs is {}", test.says)
        }
        (says, Some("$xs")) if says.contains("$vs") && !test.says.is_empty() => {
            says.replacen("$vs", &format!("$xs {}", test.says), 1)
        }
        (says, _) if says.contains("$vs") => says.replacen("$vs", &format!("$vs{which}"), 1),
        (says, _) => says.replacen("$xs", &format!("$xs {}", test.says), 1),
    };
    format!("{}{among}", said.replace("or «k» when", "or -1 when"))
}
