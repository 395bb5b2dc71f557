//! The vocabulary of the gym's small programs: what their modules are about, and what they call things.
//!
//! No word here is one that [`super::sketch`] takes for Python's own, so that a renamed function has the same normal body.

/// A module's subject: its name, and what numbers it lists (plural, singular).
pub(super) type Subject = (&'static str, &'static [(&'static str, &'static str)]);

/// Subjects of modules about numbers.
pub(super) const NUMBERS: &[Subject] = &[
    (
        "shop",
        &[
            ("prices", "price"),
            ("orders", "order"),
            ("discounts", "discount"),
        ],
    ),
    (
        "sensors",
        &[
            ("readings", "reading"),
            ("samples", "sample"),
            ("levels", "level"),
        ],
    ),
    (
        "race",
        &[
            ("laps", "lap"),
            ("finishes", "finish"),
            ("penalties", "penalty"),
        ],
    ),
    (
        "bank",
        &[
            ("deposits", "deposit"),
            ("balances", "balance"),
            ("fees", "fee"),
        ],
    ),
    (
        "weather",
        &[("temps", "temp"), ("winds", "wind"), ("showers", "shower")],
    ),
    (
        "school",
        &[("grades", "grade"), ("marks", "mark"), ("scores", "score")],
    ),
    (
        "farm",
        &[
            ("weights", "weight"),
            ("harvests", "harvest"),
            ("herds", "herd"),
        ],
    ),
    (
        "game",
        &[("points", "point"), ("moves", "move"), ("hits", "hit")],
    ),
    (
        "stock",
        &[("units", "unit"), ("boxes", "box"), ("shelves", "shelf")],
    ),
    (
        "travel",
        &[
            ("distances", "distance"),
            ("stops", "stop"),
            ("fares", "fare"),
        ],
    ),
    (
        "power",
        &[("loads", "load"), ("peaks", "peak"), ("cells", "cell")],
    ),
    (
        "clinic",
        &[("doses", "dose"), ("visits", "visit"), ("pulses", "pulse")],
    ),
    (
        "loans",
        &[("debts", "debt"), ("rates", "rate"), ("terms", "term")],
    ),
    (
        "garden",
        &[("heights", "height"), ("plants", "plant"), ("rows", "row")],
    ),
    (
        "kitchen",
        &[
            ("portions", "portion"),
            ("servings", "serving"),
            ("grams", "gram"),
        ],
    ),
    (
        "network",
        &[("packets", "packet"), ("delays", "delay"), ("hops", "hop")],
    ),
    (
        "music",
        &[("beats", "beat"), ("tempos", "tempo"), ("notes", "note")],
    ),
    (
        "factory",
        &[
            ("parts", "part"),
            ("batches", "batch"),
            ("defects", "defect"),
        ],
    ),
    (
        "parking",
        &[("tickets", "ticket"), ("cars", "car"), ("bays", "bay")],
    ),
    (
        "training",
        &[("reps", "rep"), ("lifts", "lift"), ("steps", "step")],
    ),
    (
        "cinema",
        &[("seats", "seat"), ("shows", "show"), ("sales", "sale")],
    ),
    (
        "post",
        &[
            ("parcels", "parcel"),
            ("stamps", "stamp"),
            ("letters", "letter"),
        ],
    ),
    (
        "fleet",
        &[("trips", "trip"), ("miles", "mile"), ("tanks", "tank")],
    ),
    (
        "survey",
        &[("votes", "vote"), ("answers", "answer"), ("ages", "age")],
    ),
    (
        "mining",
        &[("depths", "depth"), ("drills", "drill"), ("ores", "ore")],
    ),
    (
        "water",
        &[("flows", "flow"), ("gauges", "gauge"), ("pumps", "pump")],
    ),
    (
        "wages",
        &[("shifts", "shift"), ("hours", "hour"), ("bonuses", "bonus")],
    ),
    (
        "archery",
        &[("shots", "shot"), ("rings", "ring"), ("arrows", "arrow")],
    ),
];

/// Subjects of modules about words.
pub(super) const WORDS: &[Subject] = &[
    (
        "prose",
        &[("words", "word"), ("terms", "term"), ("phrases", "phrase")],
    ),
    (
        "people",
        &[("names", "name"), ("users", "user"), ("guests", "guest")],
    ),
    (
        "tagging",
        &[("tags", "tag"), ("labels", "label"), ("marks", "mark")],
    ),
    (
        "codes",
        &[
            ("codes", "code"),
            ("tokens", "token"),
            ("serials", "serial"),
        ],
    ),
    (
        "places",
        &[("cities", "city"), ("towns", "town"), ("rivers", "river")],
    ),
    (
        "paint",
        &[
            ("colors", "color"),
            ("shades", "shade"),
            ("brands", "brand"),
        ],
    ),
    (
        "disk",
        &[("files", "file"), ("paths", "path"), ("folders", "folder")],
    ),
    (
        "hosts",
        &[("hosts", "host"), ("zones", "zone"), ("peers", "peer")],
    ),
    (
        "songs",
        &[("songs", "song"), ("albums", "album"), ("bands", "band")],
    ),
    (
        "menu",
        &[("dishes", "dish"), ("drinks", "drink"), ("spices", "spice")],
    ),
    (
        "zoo",
        &[("animals", "animal"), ("birds", "bird"), ("pets", "pet")],
    ),
    (
        "mail",
        &[
            ("subjects", "subject"),
            ("senders", "sender"),
            ("topics", "topic"),
        ],
    ),
];

/// What a module's name may end in.
pub(super) const ENDINGS: &[&str] = &[
    "", "", "", "", "_tools", "_stats", "_report", "_math", "_util", "_lib", "_core", "_data",
];

/// Words that calls are made with.
pub(super) const SAID: &[&str] = &[
    "apple", "bee", "cat", "delta", "echo", "fig", "gold", "hat", "ink", "jade", "kiwi", "lime",
    "moon", "nut", "oak", "pea", "quiz", "rose", "sun", "tea", "urn", "vine", "wolf", "yak",
    "zinc", "ox", "ab", "area", "level", "noon", "data", "a", "Ann", "Bob", "Eve", "Max", "RED",
    "x1", "b22", "42",
];

/// Names for a sum that grows.
pub(super) const SUMS: &[&str] = &["total", "acc", "result", "amount", "tally", "so_far"];
/// Names for a list that grows.
pub(super) const LISTS: &[&str] = &[
    "out", "found", "kept", "result", "picked", "chosen", "output",
];
/// Names for the best so far.
pub(super) const BESTS: &[&str] = &["best", "top", "winner", "current", "pick"];
/// Names for positions.
pub(super) const PLACES: &[&str] = &["i", "pos", "at", "idx", "place"];
/// Names for limits.
pub(super) const LIMITS: &[&str] = &["limit", "bound", "cutoff", "threshold", "target", "base"];
/// Names for the two ends of a range.
pub(super) const RANGES: &[(&str, &str)] = &[
    ("low", "high"),
    ("lo", "hi"),
    ("start", "end"),
    ("first", "last"),
    ("lower_end", "upper_end"),
];
/// Names for a number that others are multiplied with.
pub(super) const FACTORS: &[&str] = &["factor", "scale", "ratio", "times", "gain"];
/// Names for a number that is added.
pub(super) const OFFSETS: &[&str] = &["offset", "extra", "bonus", "shift_by", "margin"];
/// Names for a number that others are divided by.
pub(super) const STEPS: &[&str] = &["step_size", "size", "group", "width", "chunk"];
/// Names for how many.
pub(super) const COUNTS: &[&str] = &["n", "k", "amount_of", "how_many", "quota"];
