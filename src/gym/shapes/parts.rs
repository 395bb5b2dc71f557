//! Conditions on a number and on a word, and what may be taken of each: the parts that most shapes share.

use super::Part;
use super::Takes::{Affix, High, Letter, Low, Near, Size, Step};

/// Conditions on the number `$x`.
pub(super) const NUMBER_IS: &[Part] = &[
    Part {
        code: "$x «c:>=¦>¦<» $limit",
        says: "at least $limit",
        tag: "from",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «c:>¦>=¦<» $limit",
        says: "above $limit",
        tag: "above",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «c:<¦<=¦>» $limit",
        says: "below $limit",
        tag: "below",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «c:<=¦<¦>» $limit",
        says: "at most $limit",
        tag: "up_to",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$limit «c:<=¦<¦>» $x",
        says: "not less than $limit",
        tag: "from",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «c:==¦!=» $limit",
        says: "equal to $limit",
        tag: "like",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «c:!=¦==» $limit",
        says: "different from $limit",
        tag: "unlike",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «p:%¦//» 2 == «k:0¦1»",
        says: "even",
        tag: "even",
        needs: &[],
    },
    Part {
        code: "$x % 2 == «k:1¦0»",
        says: "odd",
        tag: "odd",
        needs: &[],
    },
    Part {
        code: "$x % $step «c:==¦!=» 0",
        says: "divisible by $step",
        tag: "divisible",
        needs: &[("step", Step)],
    },
    Part {
        code: "$x % $step «c:!=¦==» 0",
        says: "not divisible by $step",
        tag: "indivisible",
        needs: &[("step", Step)],
    },
    Part {
        code: "$x % «k:3¦2¦4» == 0",
        says: "divisible by 3",
        tag: "threes",
        needs: &[],
    },
    Part {
        code: "$low «c:<=¦<» $x «c:<=¦<» $high",
        says: "from $low to $high, both included",
        tag: "between",
        needs: &[("low", Low), ("high", High)],
    },
    Part {
        code: "«s:$low <= $x <= $high¦$high <= $x <= $low»",
        says: "between $low and $high, ends included",
        tag: "within",
        needs: &[("low", Low), ("high", High)],
    },
    Part {
        code: "$low <= $x «c:<¦<=» $high",
        says: "from $low up to but not including $high",
        tag: "in_range",
        needs: &[("low", Low), ("high", High)],
    },
    Part {
        code: "$low < $x «p:and¦or» $x < $high",
        says: "strictly between $low and $high",
        tag: "inside",
        needs: &[("low", Low), ("high", High)],
    },
    Part {
        code: "$x < $low «p:or¦and» $x > «v:$high¦$low»",
        says: "below $low or above $high",
        tag: "outside",
        needs: &[("low", Low), ("high", High)],
    },
    Part {
        code: "$x «c:>¦>=¦<» 0",
        says: "positive",
        tag: "positive",
        needs: &[],
    },
    Part {
        code: "$x «c:<¦<=¦>» 0",
        says: "negative",
        tag: "negative",
        needs: &[],
    },
    Part {
        code: "$x «c:>=¦>» «k:$num¦$more»",
        says: "at least $num",
        tag: "from_$num",
        needs: &[],
    },
    Part {
        code: "$x «c:<¦<=» «k:$num¦$more»",
        says: "less than $num",
        tag: "under_$num",
        needs: &[],
    },
    Part {
        code: "abs($x) «c:<=¦<¦>» $limit",
        says: "no further than $limit from zero",
        tag: "near_zero",
        needs: &[("limit", Near)],
    },
    Part {
        code: "abs($x «p:-¦+» $limit) <= «k:2¦1¦3»",
        says: "at most 2 away from $limit",
        tag: "close_to",
        needs: &[("limit", Near)],
    },
    Part {
        code: "$x «p:+¦-» $offset «c:>¦>=» $limit",
        says: "above $limit once $offset is added",
        tag: "lifted",
        needs: &[("offset", Size), ("limit", Near)],
    },
];

/// What may be taken of the number `$x`.
pub(super) const OF_NUMBER: &[Part] = &[
    Part {
        code: "$x «p:*¦+» $factor",
        says: "$x times $factor",
        tag: "scaled",
        needs: &[("factor", Step)],
    },
    Part {
        code: "$factor «p:*¦-» $x",
        says: "$factor times $x",
        tag: "multiplied",
        needs: &[("factor", Step)],
    },
    Part {
        code: "$x «p:+¦-» $offset",
        says: "$x plus $offset",
        tag: "raised",
        needs: &[("offset", Size)],
    },
    Part {
        code: "$x «p:-¦+» $offset",
        says: "$x minus $offset",
        tag: "lowered",
        needs: &[("offset", Size)],
    },
    Part {
        code: "«s:$offset - $x¦$x - $offset»",
        says: "what is missing from $x to $offset",
        tag: "missing",
        needs: &[("offset", Near)],
    },
    Part {
        code: "$x «p:*¦+» $x",
        says: "the square of each $x",
        tag: "squared",
        needs: &[],
    },
    Part {
        code: "$x ** «k:2¦3»",
        says: "$x to the power of 2",
        tag: "squared",
        needs: &[],
    },
    Part {
        code: "abs(«v:$x¦$xs[0]»)",
        says: "the absolute value of each $x",
        tag: "absolute",
        needs: &[],
    },
    Part {
        code: "$x «p://¦%» $step",
        says: "how many whole $step fit into $x",
        tag: "whole",
        needs: &[("step", Step)],
    },
    Part {
        code: "$x «p:%¦//» $step",
        says: "what is left of $x after division by $step",
        tag: "rest",
        needs: &[("step", Step)],
    },
    Part {
        code: "«s:$x // $step¦$step // $x»",
        says: "$x divided by $step without a rest",
        tag: "divided",
        needs: &[("step", Step)],
    },
    Part {
        code: "«p:min¦max»($x, $high)",
        says: "$x, but no more than $high",
        tag: "capped",
        needs: &[("high", Near)],
    },
    Part {
        code: "«p:max¦min»($x, $low)",
        says: "$x, but no less than $low",
        tag: "lifted",
        needs: &[("low", Near)],
    },
    Part {
        code: "($x «p:-¦+» $offset) * $factor",
        says: "$x minus $offset, times $factor",
        tag: "adjusted",
        needs: &[("offset", Size), ("factor", Step)],
    },
    Part {
        code: "$x * $factor «p:+¦-» $offset",
        says: "$x times $factor, plus $offset",
        tag: "charged",
        needs: &[("factor", Step), ("offset", Size)],
    },
    Part {
        code: "$x * «k:$num¦$more»",
        says: "$x times $num",
        tag: "by_$num",
        needs: &[],
    },
    Part {
        code: "$x + «k:$num¦$more»",
        says: "$x plus $num",
        tag: "plus_$num",
        needs: &[],
    },
    Part {
        code: "$x «p:*¦+» 2 - $offset",
        says: "twice $x less $offset",
        tag: "doubled",
        needs: &[("offset", Size)],
    },
    Part {
        code: "$x - $x «p:%¦//» $step",
        says: "$x rounded down to a multiple of $step",
        tag: "rounded",
        needs: &[("step", Step)],
    },
];

/// Conditions on the word `$x`.
pub(super) const WORD_IS: &[Part] = &[
    Part {
        code: "len($x) «c:>=¦>¦<» $n",
        says: "with at least $n letters",
        tag: "long",
        needs: &[("n", Size)],
    },
    Part {
        code: "len($x) «c:>¦>=¦<» $n",
        says: "longer than $n",
        tag: "longer",
        needs: &[("n", Size)],
    },
    Part {
        code: "len($x) «c:<¦<=¦>» $n",
        says: "shorter than $n",
        tag: "shorter",
        needs: &[("n", Size)],
    },
    Part {
        code: "len($x) «c:<=¦<¦>» $n",
        says: "with at most $n letters",
        tag: "short",
        needs: &[("n", Size)],
    },
    Part {
        code: "len($x) «c:==¦!=» $n",
        says: "of exactly $n letters",
        tag: "sized",
        needs: &[("n", Size)],
    },
    Part {
        code: "len($x) == «k:3¦4¦2»",
        says: "of exactly 3 letters",
        tag: "three",
        needs: &[],
    },
    Part {
        code: "$x.«p:startswith¦endswith»($head)",
        says: "that begin with $head",
        tag: "starting",
        needs: &[("head", Affix)],
    },
    Part {
        code: "$x.«p:endswith¦startswith»($tail)",
        says: "that end in $tail",
        tag: "ending",
        needs: &[("tail", Affix)],
    },
    Part {
        code: "$letter «p:in¦not in» $x",
        says: "that contain $letter",
        tag: "with",
        needs: &[("letter", Letter)],
    },
    Part {
        code: "$letter «p:not in¦in» $x",
        says: "that do not contain $letter",
        tag: "without",
        needs: &[("letter", Letter)],
    },
    Part {
        code: "$x[«o:0¦-1»] == $letter",
        says: "whose first letter is $letter",
        tag: "led_by",
        needs: &[("letter", Letter)],
    },
    Part {
        code: "$x[«o:-1¦0»] == $letter",
        says: "whose last letter is $letter",
        tag: "closed_by",
        needs: &[("letter", Letter)],
    },
    Part {
        code: "$x.«p:isupper¦islower»()",
        says: "in capitals",
        tag: "capital",
        needs: &[],
    },
    Part {
        code: "$x.«p:isdigit¦isalpha»()",
        says: "made of digits",
        tag: "digital",
        needs: &[],
    },
    Part {
        code: "$x «c:==¦!=» $x[::-1]",
        says: "that read the same backwards",
        tag: "mirrored",
        needs: &[],
    },
    Part {
        code: "$x.count($letter) «c:>=¦>» «k:1¦2»",
        says: "with $letter at least once",
        tag: "having",
        needs: &[("letter", Letter)],
    },
    Part {
        code: "len($x) % 2 == «k:0¦1»",
        says: "with an even number of letters",
        tag: "even",
        needs: &[],
    },
    Part {
        code: "len($x) > $n «p:and¦or» $letter in $x",
        says: "longer than $n and containing $letter",
        tag: "fit",
        needs: &[("n", Size), ("letter", Letter)],
    },
];

/// What may be taken of the word `$x`.
pub(super) const OF_WORD: &[Part] = &[
    Part {
        code: "$x.«p:upper¦lower»()",
        says: "$x in capitals",
        tag: "upper",
        needs: &[],
    },
    Part {
        code: "$x.«p:lower¦upper»()",
        says: "$x in small letters",
        tag: "lower",
        needs: &[],
    },
    Part {
        code: "$x[:«o:$n¦$n - 1¦$n + 1»]",
        says: "the first $n letters of $x",
        tag: "heads",
        needs: &[("n", Size)],
    },
    Part {
        code: "$x[«o:$n:¦:$n»]",
        says: "$x without its first $n letters",
        tag: "tails",
        needs: &[("n", Size)],
    },
    Part {
        code: "$x[::«k:-1¦1»]",
        says: "$x backwards",
        tag: "reversed",
        needs: &[],
    },
    Part {
        code: "«s:$head + $x¦$x + $head»",
        says: "$head followed by $x",
        tag: "prefixed",
        needs: &[("head", Letter)],
    },
    Part {
        code: "«s:$x + $tail¦$tail + $x»",
        says: "$x followed by $tail",
        tag: "suffixed",
        needs: &[("tail", Letter)],
    },
    Part {
        code: "$x.replace(«s:$letter, $other¦$other, $letter»)",
        says: "$x with each $letter replaced by $other",
        tag: "swapped",
        needs: &[("letter", Letter), ("other", Letter)],
    },
    Part {
        code: "$x[0] + $x[«o:-1¦0»]",
        says: "the first and the last letter of $x",
        tag: "edges",
        needs: &[],
    },
    Part {
        code: "$x «p:*¦+» «k:2¦3»",
        says: "$x said 2 times",
        tag: "twice",
        needs: &[],
    },
    Part {
        code: "$x.strip($letter)",
        says: "$x without $letter at its ends",
        tag: "bare",
        needs: &[("letter", Letter)],
    },
];

/// What number may be taken of the word `$x`.
pub(super) const NUMBER_OF_WORD: &[Part] = &[
    Part {
        code: "len($x)",
        says: "the length of each $x",
        tag: "lengths",
        needs: &[],
    },
    Part {
        code: "len($x) «p:+¦-» «k:1¦2»",
        says: "the length of each $x plus 1",
        tag: "widths",
        needs: &[],
    },
    Part {
        code: "len($x) «p:*¦+» $factor",
        says: "the length of each $x times $factor",
        tag: "costs",
        needs: &[("factor", Step)],
    },
    Part {
        code: "$x.count(«v:$letter¦$x»)",
        says: "how often each $x has $letter",
        tag: "letters",
        needs: &[("letter", Letter)],
    },
    Part {
        code: "«p:min¦max»(len($x), $n)",
        says: "the length of each $x, but no more than $n",
        tag: "capped",
        needs: &[("n", Size)],
    },
];
