//! Functions of single numbers, and functions of lists that call one.

use super::parts::{NUMBER_IS, OF_NUMBER};
use super::{Function, Maker, Part, Takes};

/// A name's beginning, what is wanted, the lines, and parameters beside `$x`.
type Whole = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, Takes)],
);

/// Whole functions of `$x`, by their lines.
const WHOLE: &[Whole] = &[
    (
        "clamp",
        "$x, but no less than $low and no more than $high",
        "if $x «c:<¦>» $low:\n    return «r:$low¦$high»\nif $x «c:>¦<» $high:\n    return «r:$high¦$x»\nreturn $x",
        &[("low", Takes::Low), ("high", Takes::High)],
    ),
    (
        "bounded",
        "$x, but no less than $low and no more than $high",
        "return max($low, min(«s:$x, $high¦$x, $low»))",
        &[("low", Takes::Low), ("high", Takes::High)],
    ),
    (
        "wrap",
        "$x brought into the range from 0 up to but not including $step by adding or taking away $step",
        "while $x «c:<¦<=» 0:\n    $x «p:+=¦-=» $step\nwhile $x «c:>=¦>» $step:\n    $x -= $step\nreturn $x",
        &[("step", Takes::Step)],
    ),
    (
        "digit_sum",
        "the sum of the digits of $x, which is not negative",
        "$acc = «k:0¦1»\nwhile $x «c:>¦>=» 0:\n    $acc «p:+=¦-=» $x % «k:10¦9»\n    $x //= 10\nreturn $acc",
        &[],
    ),
    (
        "halvings",
        "how often $x can be halved, rounded down, until it is at most $limit",
        "$acc = «k:0¦1»\nwhile $x «c:>¦>=» max($limit, 1):\n    $x «p://=¦-=» «k:2¦3»\n    $acc += 1\nreturn $acc",
        &[("limit", Takes::Step)],
    ),
    (
        "divisors",
        "a list of the numbers from 1 to $x, $x included, that divide $x",
        "$out = []\nfor $i in range(«o:1¦2», «o:$x + 1¦$x»):\n    if «s:$x % $i¦$i % $x» == 0:\n        $out.append(«v:$i¦$x»)\nreturn $out",
        &[],
    ),
    (
        "packs",
        "how many packs of $step are needed for $x, the last one perhaps not full",
        "return («o:$x + $step - 1¦$x + $step¦$x - 1») «p://¦%» $step",
        &[("step", Takes::Step)],
    ),
    (
        "tier",
        "0 for $x below $low, 1 from $low up to but not including $high, else 2",
        "if $x «c:<¦<=» $low:\n    return «k:0¦1»\nif $x «c:<¦<=¦>» $high:\n    return «k:1¦2»\nreturn 2",
        &[("low", Takes::Low), ("high", Takes::High)],
    ),
    (
        "distance",
        "how far $x is from the range from $low to $high; 0 inside",
        "if $x < $low:\n    return «s:$low - $x¦$x - $low»\nif $x > $high:\n    return «s:$x - $high¦$high - $x»\nreturn «k:0¦1»",
        &[("low", Takes::Low), ("high", Takes::High)],
    ),
    (
        "up_to",
        "a list of the numbers from 1 to $x, $x included, in steps of $step",
        "$out = []\n$i = «k:1¦0»\nwhile $i «c:<=¦<» $x:\n    $out.append($i)\n    $i «p:+=¦*=» $step\nreturn «r:$out¦$i»",
        &[("step", Takes::Step)],
    ),
    (
        "reversed",
        "the number whose digits are those of $x, which is not negative, backwards",
        "$acc = 0\nwhile $x > 0:\n    $acc = $acc «p:*¦+» 10 + $x % «k:10¦9»\n    $x «p://=¦-=» 10\nreturn «r:$acc¦$x»",
        &[],
    ),
    (
        "sign",
        "1 for positive $x, -1 for negative $x, 0 for 0",
        "if $x «c:>¦>=» 0:\n    return «k:1¦0»\nif $x «c:<¦<=» 0:\n    return «r:-1¦1»\nreturn 0",
        &[],
    ),
    (
        "steps_down",
        "how many times $step can be taken from $x before it falls below $limit",
        "$acc = «k:0¦1»\nwhile $x «p:-¦+» $step «c:>=¦>» $limit and $acc < 99:\n    $x -= $step\n    $acc «o:+= 1¦+= 2»\nreturn $acc",
        &[("step", Takes::Step), ("limit", Takes::Near)],
    ),
    (
        "share",
        "$x split among $step as evenly as possible: the larger share",
        "$acc = $x «p://¦*» $step\nif $x «p:%¦//» $step «c:>¦==» 0:\n    $acc «o:+= 1¦+= 2»\nreturn «r:$acc¦$x»",
        &[("step", Takes::Step)],
    ),
    (
        "quote",
        "the price for $x: $factor each up to $limit, and half of that for each beyond, the whole rounded down",
        "if $x «c:<=¦<¦>» $limit:\n    return $x «p:*¦+» $factor\n$rest = «s:$x - $limit¦$limit - $x»\nreturn $limit * $factor + $rest * $factor // «k:2¦3»",
        &[("factor", Takes::Step), ("limit", Takes::Natural)],
    ),
];

/// A function of one number.
pub(super) fn scalar(mut maker: Maker<'_>) -> Function {
    maker.takes("x", Takes::Natural);
    let rest = maker.random.pick(&["rest", "beyond", "more"]);
    maker.slot("rest", rest);
    let item = maker.fill("$x");
    if maker.random.chance(40) {
        let (verb, says, lines, needs) = maker.random.pick(WHOLE);
        for (slot, takes) in needs {
            maker.takes(slot, *takes);
        }
        maker.line(0, lines);
        return maker.finish(&format!("{verb}_{item}"), &format!("Return {says}."));
    }
    chosen(maker, &item)
}

/// One of two or three values, by conditions.
fn chosen(mut maker: Maker<'_>, item: &str) -> Function {
    let test = maker.choose(NUMBER_IS);
    let one = maker.choose(OF_NUMBER_ALONE);
    let two = maker.choose(OF_NUMBER_ALONE);
    maker.slot("test", test.code);
    maker.slot("one", one.code);
    maker.slot("two", two.code);
    let roll = maker.random.below(4);
    let lines = match roll {
        0 => "if $test:\n    return «r:$one¦$two»\nreturn $two",
        1 => "return $one if $test else «r:$two¦$x»",
        2 => "$acc = $two\nif $test:\n    $acc = $one\nreturn «r:$acc¦$x»",
        _ => "if not ($test):\n    return $two\nreturn $one",
    };
    maker.line(0, lines);
    let says = format!(
        "Return {} where it is {}, else {}.",
        one.says, test.says, two.says
    );
    let verb = maker
        .random
        .pick(&["adjust", "convert", "settle", "apply", "correct"]);
    let tag = if maker.random.chance(50) {
        test.tag
    } else {
        one.tag
    };
    let tag = maker.fill(tag);
    maker.finish(&format!("{verb}_{tag}_{item}"), &says)
}

/// What may be taken of a number that stands alone.
const OF_NUMBER_ALONE: &[Part] = &[
    OF_NUMBER[0],
    OF_NUMBER[2],
    OF_NUMBER[3],
    OF_NUMBER[5],
    OF_NUMBER[8],
    OF_NUMBER[9],
    OF_NUMBER[11],
    OF_NUMBER[12],
    OF_NUMBER[13],
    OF_NUMBER[14],
    OF_NUMBER[15],
    OF_NUMBER[16],
    OF_NUMBER[17],
    OF_NUMBER[18],
    Part {
        code: "$x",
        says: "$x itself",
        tag: "same",
        needs: &[],
    },
    Part {
        code: "«k:0¦1»",
        says: "0",
        tag: "zero",
        needs: &[],
    },
];

/// What becomes of a function called for each item: lines before, for each and after, what is wanted, a name's beginning.
const CALLING: &[[&str; 5]] = &[
    [
        "$acc = «k:0¦1»",
        "$acc «p:+=¦-=» $v",
        "return $acc",
        "the sum of $called over $xs",
        "sum",
    ],
    [
        "$out = []",
        "$out.append($v)",
        "return «r:$out¦$xs»",
        "a list of $called for each of $xs",
        "map",
    ],
    [
        "$best = 0",
        "$best = «p:max¦min»($best, $v)",
        "return «r:$best¦$xs»",
        "the largest $called of $xs, or 0",
        "peak",
    ],
    [
        "$out = []",
        "$out.append($v)",
        "return sorted(«r:$out¦$xs»)",
        "a sorted list of $called for each of $xs",
        "sorted",
    ],
];

/// A function of a list that calls another for each item.
pub(super) fn caller(mut maker: Maker<'_>, helper: &Function) -> Function {
    maker.takes("xs", Takes::Ints);
    let own = call(&mut maker, helper);
    let called = helper.name.clone();
    maker.slot("called", &called);
    let tested = maker.random.chance(40);
    let free: Vec<Part> = NUMBER_IS
        .iter()
        .filter(|part| {
            part.needs.iter().all(|(slot, _)| {
                !own.iter()
                    .any(|(name, _)| *name == maker.fill(&format!("${slot}")))
            })
        })
        .copied()
        .collect();
    let test = if tested {
        maker.choose(&free)
    } else {
        Part::default()
    };
    let roll = maker.random.below(CALLING.len());
    let [before, each, after, said, verb] = CALLING.get(roll).copied().unwrap_or(CALLING[0]);
    let mut guarded = "";
    if maker.random.chance(25) {
        maker.line(0, "?if not $xs:\n?    return None");
        guarded = " Without $xs it is None.";
    }
    let (walk, among) = maker.random.pick(&[
        ("for $x in $xs:", ""),
        ("for $x in $xs:", ""),
        ("for $x in $xs[«o:1:¦2:¦0:»]:", ", the first one left out"),
        ("for $x in $xs[:«o:-1¦-2»]:", ", the last one left out"),
        (
            "for $i in range(«o:len($xs)¦len($xs) - 1»):\n    $x = $xs[$i]",
            "",
        ),
    ]);
    maker.line(0, before);
    maker.line(0, walk);
    if tested {
        maker.slot("test", test.code);
        maker.line(1, "if $test:");
        maker.line(2, each);
    } else {
        maker.line(1, each);
    }
    maker.line(0, after);
    let which = if tested {
        format!(" {}", test.says)
    } else {
        String::new()
    };
    let said = said.replacen("$xs", &format!("$xs{which}"), 1);
    let list = maker.fill("$xs");
    let stem = called.split('_').next().unwrap_or_default().to_owned();
    maker.finish(
        &format!("{verb}_{stem}_{list}"),
        &format!("Return {said}{among}.{guarded}"),
    )
}

/// Put the call of a helper into the slot `$v`, its parameters among the function's own; which names these have.
fn call(maker: &mut Maker<'_>, helper: &Function) -> Vec<(String, Takes)> {
    let own: Vec<(String, Takes)> = helper
        .parameters
        .iter()
        .skip(1)
        .map(|one| (one.name.clone(), one.takes))
        .collect();
    let mut arguments = vec!["$x".to_owned()];
    for (at, (name, takes)) in own.iter().enumerate() {
        let slot = format!("arg{at}");
        maker.slot(&slot, name);
        maker.takes(&slot, *takes);
        arguments.push(format!("${slot}"));
    }
    // A list's item is no parameter of the helper.
    if own.iter().any(|(name, _)| *name == maker.fill("$x")) {
        maker.slot("x", "item");
    }
    let right = format!("{}({})", helper.name, arguments.join(", "));
    let mut swapped = arguments.clone();
    let end = swapped.len() - 1;
    swapped.swap(end.saturating_sub(1), end);
    let call = if arguments.len() > 1 {
        format!("«s:{right}¦{}({})»", helper.name, swapped.join(", "))
    } else {
        format!("{}(«v:$x¦$xs[0]»)", helper.name)
    };
    maker.slot("v", &call);
    own
}
