//! Dictionaries, lists of pairs, and grids.

use super::parts::{NUMBER_IS, OF_NUMBER};
use super::{Function, Maker, Part, Takes};

/// A walk over a dictionary of words and numbers.
pub(super) fn table(mut maker: Maker<'_>) -> Function {
    table_names(&mut maker);
    maker.takes("table", Takes::Table);
    let test = maker.choose(NUMBER_IS);
    maker.slot("test", test.code);
    maker.slot("is", test.says);
    let value = if maker.random.chance(50) {
        maker.choose(OF_NUMBER)
    } else {
        Part {
            code: "$x",
            says: "$x",
            tag: "",
            needs: &[],
        }
    };
    maker.slot("v", value.code);
    maker.slot("vs", value.says);
    let roll = maker.random.below(8);
    let (lines, verb, said) = match roll {
        0 => (
            "$out = []\nfor $key, $x in $table.items():\n    if $test:\n        $out.append(«v:$key¦$x»)\nreturn sorted(«r:$out¦$table»)",
            "keys_of",
            "The sorted keys of $table whose $x is $is",
        ),
        1 => (
            "$acc = «k:0¦1»\nfor $x in $table.values():\n    if $test:\n        $acc «p:+=¦-=» $v\nreturn $acc",
            "sum_of",
            "The sum over $table of $vs where $x is $is",
        ),
        2 => (
            "$out = dict()\nfor $key, $x in $table.items():\n    if $test:\n        $out[$key] = «v:$v¦$key»\nreturn «r:$out¦$table»",
            "part_of",
            "A new dictionary with the keys of $table whose $x is $is, and for each $vs",
        ),
        3 => (
            "$best = None\nfor $key in sorted($table):\n    $x = $table[$key]\n    if $test and ($best is None or $x «c:>¦<» $table[$best]):\n        $best = «v:$key¦$x»\nreturn $best",
            "best_of",
            "The key of $table with the largest $x among those that are $is, or None",
        ),
        4 => (
            "$acc = «k:0¦1»\nfor $x in $table.values():\n    if $test:\n        $acc «p:+=¦-=» 1\nreturn «r:$acc¦len($table)»",
            "count_of",
            "How many $xs in $table are $is",
        ),
        5 => (
            "$x = $table.get($key, «k:0¦1»)\nif $test:\n    return $v\nreturn «k:-1¦0»",
            "look_up",
            "Look $key up in $table (0 where it is missing) as $x: $vs where that is $is, else -1",
        ),
        6 => (
            "$out = [«k:0¦1», 0]\nfor $x in $table.values():\n    if $test:\n        $out[«o:0¦1»] += 1\n    else:\n        $out[«o:1¦0»] += «k:1¦2»\nreturn $out",
            "split_of",
            "A list of two counts over $table: $xs that are $is, and the others",
        ),
        _ => (
            "$out = dict()\nfor $key, $x in $table.items():\n    $out[$key] = $v if $test else «v:$x¦$key»\nreturn «r:$out¦$table»",
            "remade",
            "A new dictionary like $table in which each $x that is $is became $vs",
        ),
    };
    if lines.contains("get($key") {
        maker.takes("key", Takes::Key);
    }
    maker.line(0, lines);
    named(maker, verb, &test, said)
}

fn table_names(maker: &mut Maker<'_>) {
    let table = maker
        .random
        .pick(&["table", "by_name", "book", "ledger", "register", "store"]);
    maker.slot("table", table);
    let key = maker
        .random
        .pick(&["who", "label", "entry", "code", "person"]);
    maker.slot("key", key);
}

fn named(maker: Maker<'_>, verb: &str, test: &Part, said: &str) -> Function {
    let tag = maker.fill(test.tag);
    let list = maker.fill("$xs");
    maker.finish(&format!("{verb}_{tag}_{list}"), &format!("{said}."))
}

/// A walk over pairs of a word and a number.
pub(super) fn pairs(mut maker: Maker<'_>) -> Function {
    table_names(&mut maker);
    let pairs = maker.random.pick(&["entries", "pairs", "records", "log"]);
    maker.slot("pairs", pairs);
    maker.takes("pairs", Takes::Pairs);
    let test = maker.choose(NUMBER_IS);
    maker.slot("test", test.code);
    maker.slot("is", test.says);
    let value = if maker.random.chance(50) {
        maker.choose(OF_NUMBER)
    } else {
        Part {
            code: "$x",
            says: "$x",
            tag: "",
            needs: &[],
        }
    };
    maker.slot("v", value.code);
    maker.slot("vs", value.says);
    let roll = maker.random.below(6);
    let (lines, verb, said) = match roll {
        0 => (
            "$out = dict()\nfor $key, $x in $pairs:\n    if $test:\n        $out[$key] = $out.get($key, «k:0¦1») «p:+¦-» $v\nreturn «r:$out¦$pairs»",
            "totals",
            "By $key, the sum over $pairs of $vs where $x is $is",
        ),
        1 => (
            "$out = dict()\nfor $key, $x in $pairs:\n    if $test:\n        $out.setdefault($key, []).append(«v:$v¦$key»)\nreturn «r:$out¦$pairs»",
            "groups",
            "By $key, a list over $pairs of $vs where $x is $is",
        ),
        2 => (
            "$out = dict()\nfor $key, $x in $pairs:\n    if $test:\n        $out[$key] = $out.get($key, «k:0¦1») + «k:1¦2»\nreturn «r:$out¦$pairs»",
            "counts",
            "By $key, how many of $pairs have a $x that is $is",
        ),
        3 => (
            "$out = []\nfor $key, $x in $pairs:\n    if $test and $key «p:not in¦in» $out:\n        $out.append(«v:$key¦$x»)\nreturn $out",
            "names",
            "The $key of each of $pairs whose $x is $is, without repeats",
        ),
        4 => (
            "$out = dict()\nfor $key, $x in $pairs:\n    if $key not in $out or $x «c:>¦<» $out[$key]:\n        $out[$key] = «v:$x¦$key»\nreturn «r:$out¦$pairs»",
            "records",
            "By $key, the largest $x in $pairs",
        ),
        _ => (
            "$acc = «k:0¦1»\nfor $key, $x in $pairs:\n    if $key «c:==¦!=» $wanted and $test:\n        $acc «p:+=¦-=» $v\nreturn $acc",
            "sum_for",
            "The sum over $pairs of $vs where the $key is $wanted and $x is $is",
        ),
    };
    if !lines.contains("$test") {
        maker.parameters.truncate(1);
    }
    if lines.contains("$wanted") {
        let wanted = maker.random.pick(&["wanted", "owner", "chosen_one"]);
        maker.slot("wanted", wanted);
        maker.takes("wanted", Takes::Key);
    }
    if !lines.contains("$v") && !lines.contains("$test") {
        maker.parameters.truncate(1);
    }
    maker.line(0, lines);
    named(maker, verb, &test, said)
}

/// A walk over rows of numbers.
pub(super) fn grid(mut maker: Maker<'_>) -> Function {
    let grid = maker.random.pick(&["grid", "rows", "board", "matrix"]);
    maker.slot("grid", grid);
    maker.slot("row", "line");
    maker.takes("grid", Takes::Grid);
    let test = maker.choose(NUMBER_IS);
    maker.slot("test", test.code);
    maker.slot("is", test.says);
    let column = maker.random.pick(&["column", "col", "place"]);
    maker.slot("column", column);
    let roll = maker.random.below(7);
    let (lines, verb, said) = match roll {
        0 => (
            "$acc = «k:0¦1»\nfor $row in $grid:\n    for $x in $row:\n        if $test:\n            $acc «p:+=¦-=» «v:$x¦len($row)»\nreturn $acc",
            "sum_in",
            "The sum of all numbers in $grid that are $is",
        ),
        1 => (
            "$acc = «k:0¦1»\nfor $row in $grid:\n    for $x in $row:\n        if $test:\n            $acc += «k:1¦2»\nreturn $acc",
            "count_in",
            "How many numbers in $grid are $is",
        ),
        2 => (
            "$out = []\nfor $row in $grid:\n    $acc = «k:0¦1»\n    for $x in $row:\n        if $test:\n            $acc «p:+=¦-=» $x\n    $out.append(«v:$acc¦$x»)\nreturn «r:$out¦$acc»",
            "row_sums",
            "For each row of $grid, the sum of its numbers that are $is",
        ),
        3 => (
            "$out = []\nfor $column in range(len($grid[0])):\n    $acc = 0\n    for $row in $grid:\n        $x = $row[«o:$column¦$column - 1»]\n        if $test:\n            $acc «p:+=¦-=» 1\n    $out.append($acc)\nreturn $out",
            "column_counts",
            "For each column of $grid, how many of its numbers are $is",
        ),
        4 => (
            "$out = []\nfor $i in range(«o:len($grid)¦len($grid) - 1»):\n    for $column in range(len($grid[0])):\n        $x = $grid[«v:$i¦$column»][$column]\n        if $test:\n            $out.append((«s:$i, $column¦$column, $i»))\nreturn «r:$out¦$grid»",
            "cells_of",
            "The cells (row, column) of $grid, from 0, whose number is $is",
        ),
        5 => (
            "$out = []\nfor $row in $grid:\n    for $x in $row:\n        if $test:\n            $out.append($x)\n            «r:break¦continue»\nreturn $out",
            "firsts_in",
            "The first number of each row of $grid that is $is, where there is one",
        ),
        _ => (
            "$acc = 0\nfor $row in $grid:\n    $x = «p:max¦min»($row)\n    if $test:\n        $acc «p:+=¦-=» 1\nreturn «r:$acc¦len($grid)»",
            "tops_in",
            "How many rows of $grid have a largest number that is $is",
        ),
    };
    maker.line(0, lines);
    named(maker, verb, &test, said)
}
