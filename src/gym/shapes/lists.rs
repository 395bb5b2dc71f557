//! Lists of numbers in which neighbours, streaks or two lists together matter.

use super::parts::{NUMBER_IS, OF_NUMBER};
use super::{Function, Maker, Part, Takes};

/// What may hold of the neighbours `$a` and `$b`, `$b` the later one.
const PAIR_IS: &[Part] = &[
    Part {
        code: "$b «c:>¦>=¦<» $a",
        says: "the later is larger",
        tag: "rises",
        needs: &[],
    },
    Part {
        code: "$b «c:<¦<=¦>» $a",
        says: "the later is smaller",
        tag: "falls",
        needs: &[],
    },
    Part {
        code: "$a «c:==¦!=» $b",
        says: "both are equal",
        tag: "repeats",
        needs: &[],
    },
    Part {
        code: "abs(«s:$b¦$a» - $a) «c:>¦>=¦<» $limit",
        says: "they differ by more than $limit",
        tag: "jumps",
        needs: &[("limit", Takes::Step)],
    },
    Part {
        code: "$a + $b «c:>=¦>» $limit",
        says: "their sum is at least $limit",
        tag: "heavy",
        needs: &[("limit", Takes::Near)],
    },
    Part {
        code: "$b «p:-¦+» $a «c:>=¦>» $step",
        says: "the later is at least $step larger",
        tag: "climbs",
        needs: &[("step", Takes::Step)],
    },
    Part {
        code: "$b % «v:$step¦$a» == 0",
        says: "the later is divisible by $step",
        tag: "multiples",
        needs: &[("step", Takes::Step)],
    },
];

/// What may be taken of two neighbours.
const OF_PAIR: &[Part] = &[
    Part {
        code: "«s:$b - $a¦$a - $b»",
        says: "the later minus the earlier",
        tag: "changes",
        needs: &[],
    },
    Part {
        code: "abs($b «p:-¦+» $a)",
        says: "how far they are apart",
        tag: "gaps",
        needs: &[],
    },
    Part {
        code: "$a «p:+¦-» $b",
        says: "their sum",
        tag: "sums",
        needs: &[],
    },
    Part {
        code: "«p:max¦min»($a, $b)",
        says: "the larger one",
        tag: "uppers",
        needs: &[],
    },
    Part {
        code: "«p:min¦max»($a, $b)",
        says: "the smaller one",
        tag: "lowers",
        needs: &[],
    },
    Part {
        code: "($a + $b) «p://¦*» «k:2¦3»",
        says: "their mean, rounded down",
        tag: "means",
        needs: &[],
    },
    Part {
        code: "$a «p:*¦+» $b",
        says: "their product",
        tag: "products",
        needs: &[],
    },
    Part {
        code: "$b * $factor «p:-¦+» $a",
        says: "the later times $factor, minus the earlier",
        tag: "scaled",
        needs: &[("factor", Takes::Step)],
    },
];

/// Neighbours of a list, two at a time.
pub(super) fn neighbours(mut maker: Maker<'_>) -> Function {
    maker.takes("xs", Takes::Ints);
    let (walk, a, b) = maker.random.pick(&[
        (
            "for $i in range(«o:len($xs) - 1¦len($xs) - 2»):",
            "$xs[$i]",
            "$xs[$i + 1]",
        ),
        (
            "for $i in range(«o:1¦2», len($xs)):",
            "$xs[$i - 1]",
            "$xs[$i]",
        ),
        ("for $a, $b in zip($xs, $xs[«o:1:¦2:»]):", "$a", "$b"),
    ]);
    if a == "$a" {
        let (one, two) = maker.random.pick(&[
            ("a", "b"),
            ("left", "right"),
            ("before", "after"),
            ("old", "new"),
        ]);
        maker.slot("a", one);
        maker.slot("b", two);
    } else {
        maker.slot("a", a);
        maker.slot("b", b);
    }
    let counts = maker.random.chance(40);
    let test = if counts || maker.random.chance(55) {
        maker.choose(PAIR_IS)
    } else {
        Part::default()
    };
    let which = if test.says.is_empty() {
        String::new()
    } else {
        format!(" where {}", test.says)
    };
    let (said, verb, lines) = aim(&mut maker, counts);
    let [before, each, after] = lines;
    let position = if a == "$xs[$i - 1]" {
        "$out.append(«o:$i - 1¦$i»)"
    } else {
        "$out.append(«o:$i¦$i + 1»)"
    };
    let (walk, each) = match each {
        // Positions need a counter.
        "" if a == "$a" => (
            "for $i, ($a, $b) in enumerate(zip($xs, $xs[«o:1:¦2:»])):",
            position,
        ),
        "" => (walk, position),
        each => (walk, each),
    };
    maker.line(0, before);
    maker.line(0, walk);
    if test.code.is_empty() {
        maker.line(1, each);
    } else {
        maker.slot("test", test.code);
        maker.line(1, "if $test:");
        maker.line(2, each);
    }
    maker.line(0, after);
    let tag = if test.tag.is_empty() { "" } else { test.tag };
    let name = [verb, tag, "in_$xs"]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("_");
    maker.finish(&name, &format!("Return {said}{which}."))
}

/// What is wanted of neighbours: the words for it, a name, and the lines before, for each, and after.
type Aim = (&'static str, &'static str, [&'static str; 3]);

/// Choose it: how many there are, where, or what is taken of them.
fn aim(maker: &mut Maker<'_>, counts: bool) -> Aim {
    if counts {
        let roll = maker.random.below(3);
        match roll {
            0 => (
                "how many neighbours in $xs there are",
                "count",
                ["$acc = «k:0¦1»", "$acc «p:+=¦-=» 1", "return $acc"],
            ),
            1 => (
                "the positions, from 0, of the first of two neighbours in $xs",
                "find",
                ["$out = []", "", "return $out"],
            ),
            _ => (
                "whether there are neighbours in $xs",
                "any",
                ["", "return «r:True¦False»", "return «r:False¦True»"],
            ),
        }
    } else {
        let value = maker.choose(OF_PAIR);
        maker.slot("v", value.code);
        maker.slot("vs", value.says);
        let roll = maker.random.below(3);
        match roll {
            0 => (
                "for each two neighbours in $xs, $vs, as a list",
                value.tag,
                ["$out = []", "$out.append($v)", "return «r:$out¦$xs»"],
            ),
            1 => (
                "the sum over neighbours in $xs of $vs",
                value.tag,
                ["$acc = «k:0¦1»", "$acc «p:+=¦-=» $v", "return $acc"],
            ),
            _ => (
                "for neighbours in $xs, $vs, the largest of them or None",
                value.tag,
                [
                    "$best = None",
                    "if $best is None or $v «c:>¦<» $best:\n    $best = $v",
                    "return $best",
                ],
            ),
        }
    }
}

/// Streaks, levels and other things that a walk remembers.
pub(super) fn streaks(mut maker: Maker<'_>) -> Function {
    maker.takes("xs", Takes::Ints);
    let run = maker.random.pick(&["run", "streak", "length", "row_now"]);
    maker.slot("run", run);
    let test = maker.choose(NUMBER_IS);
    maker.slot("test", test.code);
    let roll = maker.random.below(6);
    let (lines, name, said) = match roll {
        0 => (
            "$best = 0\n$run = «k:0¦1»\nfor $x in $xs:\n    if $test:\n        $run += 1\n        $best = «p:max¦min»($best, $run)\n    else:\n        $run = «k:0¦1»\nreturn «r:$best¦$run»",
            "longest_$tag_run",
            "the length of the longest run of $xs $says",
        ),
        1 => (
            "$run = 0\nfor $x in $xs:\n    if $test:\n        $run «p:+=¦-=» 1\n    else:\n        $run = «k:0¦1»\nreturn $run",
            "closing_$tag_run",
            "how many $xs at the end, without a break, are $says",
        ),
        2 => (
            "$run = «k:0¦1»\nfor $x in $xs:\n    if not ($test):\n        «r:break¦continue»\n    $run += «k:1¦2»\nreturn $run",
            "opening_$tag_run",
            "how many $xs at the beginning, without a break, are $says",
        ),
        3 => (
            "$out = []\nfor $x in $xs:\n    if $test:\n        «r:break¦continue»\n    $out.append(«v:$x¦$xs[0]»)\nreturn $out",
            "until_$tag_$xs",
            "the $xs before the first that is $says",
        ),
        4 => (
            "$out = []\n$run = False\nfor $x in $xs:\n    if $test:\n        $run = «r:True¦False»\n    if «p:$run¦not $run»:\n        $out.append($x)\nreturn $out",
            "from_$tag_$xs",
            "the $xs from the first that is $says on",
        ),
        _ => (
            "$acc = $begin\n$run = 0\nfor $x in $xs:\n    $acc «p:+=¦-=» $x\n    if $acc «c:<¦<=» 0:\n        $run «p:+=¦-=» 1\n        $acc = «k:0¦1»\nreturn «r:$run¦$acc»",
            "count_$xs_shortages",
            "how often $begin plus the $xs so far falls below 0; it then goes on from 0",
        ),
    };
    if lines.contains("$begin") {
        // The condition chosen above is not used here.
        maker.parameters.truncate(1);
        let begin = maker.random.pick(&["begin", "opening", "reserve"]);
        maker.slot("begin", begin);
        maker.takes("begin", Takes::Natural);
    }
    maker.slot("tag", test.tag);
    maker.slot("says", test.says);
    maker.line(0, lines);
    let list = maker.fill("$xs");
    let name = name
        .replace("$tag_", &format!("{}_", maker.fill(test.tag)))
        .replace("$xs_", &format!("{list}_"));
    maker.finish(&name, &format!("Return {said}."))
}

/// Two lists, item by item.
pub(super) fn together(mut maker: Maker<'_>) -> Function {
    let (a, b) = maker.random.pick(&[
        ("first_row", "second_row"),
        ("left", "right"),
        ("mine", "yours"),
        ("before", "after"),
        ("plan", "actual"),
    ]);
    maker.slot("as", a);
    maker.slot("bs", b);
    maker.slot("a", "a");
    maker.slot("b", "b");
    maker.takes("as", Takes::Ints);
    maker.takes("bs", Takes::Ints);
    let counts = maker.random.chance(35);
    let walk = maker.random.pick(&[
        "for $a, $b in zip($as, $bs):",
        "for $i in range(«p:min¦max»(len($as), len($bs))):\n    $a, $b = «s:$as[$i], $bs[$i]¦$bs[$i], $as[$i]»",
    ]);
    let (before, each, after, said, verb);
    if counts {
        let test = maker.choose(PAIR_IS);
        maker.slot("test", test.code);
        (before, each, after) = (
            "$acc = «k:0¦1»",
            "if $test:\n    $acc «p:+=¦-=» 1",
            "return $acc",
        );
        said = format!(
            "Count the places where, of $as (the earlier) and $bs (the later), {}.",
            test.says
        );
        verb = format!("count_{}", test.tag);
    } else {
        let value = maker.choose(OF_PAIR);
        let whole = maker.choose(&[
            OF_NUMBER[0],
            OF_NUMBER[2],
            OF_NUMBER[3],
            Part {
                code: "$x",
                says: "",
                tag: "",
                needs: &[],
            },
        ]);
        maker.slot("x", "($inner)");
        if whole.says.is_empty() {
            maker.slot("x", "$inner");
        }
        maker.slot("inner", value.code);
        maker.slot("v", whole.code);
        let sums = maker.random.chance(50);
        (before, each, after) = if sums {
            ("$acc = «k:0¦1»", "$acc «p:+=¦-=» $v", "return $acc")
        } else {
            ("$out = []", "$out.append($v)", "return «r:$out¦$as»")
        };
        let more = match whole.tag {
            "scaled" | "multiplied" => ", times $factor",
            "raised" => ", plus $offset",
            "lowered" => ", minus $offset",
            _ => "",
        };
        let kind = if sums { "the sum" } else { "a list" };
        said = format!(
            "Return {kind}, for $as (the earlier) and $bs (the later), of {}{more}.",
            value.says
        );
        verb = format!("pair_{}", value.tag);
    }
    maker.line(0, before);
    maker.line(0, walk);
    maker.line(1, each);
    maker.line(0, after);
    let name = if maker.random.chance(50) {
        format!("{verb}_$bs")
    } else {
        format!("{verb}_$as")
    };
    maker.finish(&name, &said)
}
