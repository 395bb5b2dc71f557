//! A small program with one fault: modules put together from functions, the calls that may show the fault.
//!
//! | level | what there is | where the fault lies |
//! |---|---|---|
//! | 1 | one module, one or two short functions | in the function that the report names |
//! | 2 | one module, three functions | in the function that the report names |
//! | 3 | one module, a function that calls another, and others | in either of the two; the report names the caller |
//! | 4 | two modules, one calling into the other | mostly in the module that the report does not name |
//!
//! Whether a call shows the fault is found out by running it ([`super::prove`]); what is drawn here is only likely to.

use super::calls;
use super::random::Random;
use super::shapes::{self, Function};
use super::sketch::{self, Mend, Slip};
use super::words::{self, Subject};
use super::{Fault, Split};

/// Calls drawn of the function that the report names.
const CALLS: usize = 16;
/// Calls drawn of each other function.
const OTHER_CALLS: usize = 4;
/// How often functions are drawn anew for one that fits split and fault.
const TRIES: usize = 1500;

/// A module.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) name: String,
    /// Names it takes from the module before it.
    imports: Option<(String, String)>,
    functions: Vec<Function>,
}

/// Where a function stands: which module, which function of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(usize, usize);

/// A program with a fault, not yet proven to be one.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// In the order in which they can be imported.
    pub(super) modules: Vec<Module>,
    faulty: Place,
    reported: Place,
    pub(super) slip: Slip,
    /// Calls of the reported function, then of others.
    pub(super) calls: Vec<String>,
    /// How many of them are of the reported function.
    pub(super) reported_calls: usize,
    /// Wrong ways to mend it.
    pub(super) decoys: Vec<Decoy>,
}

/// A change that mends nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoy {
    /// Which module.
    module: usize,
    /// Line of its file, from 1.
    pub(super) line: usize,
    /// What it would say, with its indentation.
    pub(super) text: String,
}

impl Program {
    /// Draw one. `None` where none of the functions drawn fits: draw another.
    pub(super) fn draw(random: &mut Random, split: Split, level: u8, fault: Fault) -> Option<Self> {
        let subjects = if level < 3 && random.chance(30) {
            words::WORDS
        } else {
            words::NUMBERS
        };
        let subject = random.pick(subjects);
        let mut drawing = Drawing {
            random,
            split,
            subject,
            fault,
            taken: Vec::new(),
        };
        let (modules, faulty, reported, slip) = drawing.modules(level)?;
        // Drawn anew as a whole, so that every other program stays what it was.
        let mut functions = modules.iter().flat_map(|module| &module.functions);
        if !functions.all(|function| function.sound) {
            return None;
        }
        let mut program = Self {
            modules,
            faulty,
            reported,
            slip,
            calls: Vec::new(),
            reported_calls: 0,
            decoys: Vec::new(),
        };
        program.draw_calls(random);
        program.draw_decoys(random);
        Some(program)
    }

    /// The name of the module with the fault.
    pub(super) fn faulty_module(&self) -> &str {
        self.modules
            .get(self.faulty.0)
            .map_or("", |module| &module.name)
    }

    /// The name of the module whose function the report names.
    pub(super) fn reported_module(&self) -> &str {
        self.modules
            .get(self.reported.0)
            .map_or("", |module| &module.name)
    }

    fn function(&self, place: Place) -> Option<&Function> {
        self.modules.get(place.0)?.functions.get(place.1)
    }

    /// The sources by module name, right or with the fault.
    pub(super) fn sources(&self, faulty: bool) -> Vec<(String, String)> {
        let slipped =
            |at: usize| (faulty && at == self.faulty.0).then_some((self.faulty.1, &self.slip));
        (0..)
            .zip(&self.modules)
            .map(|(at, module)| (module.name.clone(), module.source(slipped(at))))
            .collect()
    }

    /// The right sources as their docstrings say, where that is something else for some arguments.
    pub(super) fn as_said(&self) -> Option<Vec<(String, String)>> {
        let mut said = self.clone();
        let functions = said.modules.iter_mut().flat_map(|one| &mut one.functions);
        let mut differs = false;
        for function in functions {
            if let Some(body) = function.said.take() {
                function.body = body;
                differs = true;
            }
        }
        differs.then(|| said.sources(false))
    }

    /// The faulty sources with a decoy in place.
    pub(super) fn with_decoy(&self, decoy: &Decoy) -> Vec<(String, String)> {
        let mut sources = self.sources(true);
        if let Some((_, source)) = sources.get_mut(decoy.module) {
            let lines = source.lines().zip(1..).map(|(line, number)| {
                if number == decoy.line {
                    decoy.text.as_str()
                } else {
                    line
                }
            });
            *source = lines.flat_map(|line| [line, "\n"]).collect();
        }
        sources
    }

    /// The name of a decoy's module.
    pub(super) fn module_of(&self, decoy: &Decoy) -> &str {
        self.modules
            .get(decoy.module)
            .map_or("", |module| &module.name)
    }

    /// For the tests: normal bodies of all its functions, the faulty one's right and wrong.
    #[cfg(test)]
    pub(super) fn bodies(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .modules
            .iter()
            .flat_map(|module| &module.functions)
            .map(|function| body(function, None))
            .collect();
        all.extend(
            self.function(self.faulty)
                .map(|function| body(function, Some(&self.slip))),
        );
        all
    }

    fn draw_calls(&mut self, random: &mut Random) {
        let Place(home, at) = self.reported;
        let Some(module) = self.modules.get(home) else {
            return;
        };
        let mut calls = Vec::new();
        if let Some(function) = module.functions.get(at) {
            calls::add(random, &module.name, function, CALLS, &mut calls);
        }
        self.reported_calls = calls.len();
        for (other, function) in module.functions.iter().enumerate() {
            if other != at {
                calls::add(random, &module.name, function, OTHER_CALLS, &mut calls);
            }
        }
        self.calls = calls;
    }

    /// Up to three wrong changes of the faulty line, one of another line of its function, and one of the function that the
    /// report names, where that is another.
    fn draw_decoys(&mut self, random: &mut Random) {
        let Some(function) = self.function(self.faulty) else {
            return;
        };
        if matches!(function.body.mend(&self.slip), Mend::Insert(..)) {
            // Lines below the missing guard stand higher than in the sketch.
            return;
        }
        let mut decoys = self.slips_as_decoys(self.faulty);
        random.shuffle(&mut decoys);
        // A wrong change of the right line is the commoner mistake.
        let here = self.first_line(self.faulty) + self.slip.line;
        let (mut decoys, elsewhere): (Vec<Decoy>, Vec<Decoy>) =
            decoys.into_iter().partition(|decoy| decoy.line == here);
        decoys.truncate(3);
        decoys.extend(elsewhere.into_iter().next());
        if self.reported != self.faulty {
            let mut above = self.slips_as_decoys(self.reported);
            // What is drawn after it stays what it was before these were.
            random.clone().shuffle(&mut above);
            decoys.extend(above.into_iter().next());
        }
        self.decoys = decoys;
    }

    /// The slips of a function, but the program's own, as changes of its lines.
    fn slips_as_decoys(&self, place: Place) -> Vec<Decoy> {
        let Some(function) = self.function(place) else {
            return Vec::new();
        };
        let first = self.first_line(place);
        let mut decoys: Vec<Decoy> = Vec::new();
        for other in function.body.slips() {
            let Some(text) = function
                .body
                .slipped_line(&other)
                .filter(|_| place != self.faulty || other != self.slip)
            else {
                continue;
            };
            let decoy = Decoy {
                module: place.0,
                line: first + other.line,
                text: format!("    {text}"),
            };
            if !decoys.contains(&decoy) {
                decoys.push(decoy);
            }
        }
        decoys
    }

    fn first_line(&self, place: Place) -> usize {
        self.modules
            .get(place.0)
            .map_or(0, |module| module.first_line(place.1))
    }
}

impl Module {
    /// Its text; one function of it with a slip, if any.
    fn source(&self, slipped: Option<(usize, &Slip)>) -> String {
        let mut out = String::new();
        if let Some((module, name)) = &self.imports {
            out.push_str(&["from ", module, " import ", name, "\n\n"].concat());
        }
        for (at, function) in self.functions.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            let slip = slipped
                .filter(|(which, _)| *which == at)
                .map(|(_, slip)| slip);
            out.push_str(&["def ", &function.name, "(", &function.signature(), "):\n"].concat());
            out.push_str(&["    \"\"\"", &function.doc, "\"\"\"\n"].concat());
            for line in function.body.lines(slip) {
                out.push_str(&["    ", &line, "\n"].concat());
            }
        }
        out
    }

    /// The line of the file, from 1, on which a function's body begins.
    pub(super) fn first_line(&self, function: usize) -> usize {
        let before: usize = self
            .functions
            .iter()
            .take(function)
            .map(|function| function.body.lines(None).len() + 3)
            .sum();
        let imports = if self.imports.is_some() { 2 } else { 0 };
        imports + before + 3
    }
}

/// The normal body of a function, right or wrong.
fn body(function: &Function, slip: Option<&Slip>) -> String {
    sketch::normal(&function.signature(), &function.body.lines(slip))
}

/// What the drawing of one program needs.
struct Drawing<'a> {
    random: &'a mut Random,
    split: Split,
    subject: Subject,
    fault: Fault,
    /// Function names that are taken.
    taken: Vec<String>,
}

type Drawn = (Vec<Module>, Place, Place, Slip);

impl Drawing<'_> {
    fn modules(&mut self, level: u8) -> Option<Drawn> {
        match level {
            1 | 2 => {
                let easy = level == 1;
                let (target, slip) =
                    self.faulty(|random, subject| shapes::function(random, subject, easy))?;
                let others = if easy {
                    usize::from(self.random.chance(40))
                } else {
                    2
                };
                let mut functions = self.others(others, easy)?;
                let at = self.random.below(functions.len() + 1);
                functions.insert(at, target);
                let place = Place(0, at);
                Some((vec![self.module(functions, None)], place, place, slip))
            }
            _ => self.calling(level),
        }
    }

    /// A caller and its helper, in one module or in two.
    fn calling(&mut self, level: u8) -> Option<Drawn> {
        // A helper of one number has no list that could be empty.
        let in_helper = self.fault != Fault::Guard && self.random.chance(70);
        let (helper, caller, slip);
        if in_helper {
            let (drawn, its) = self.faulty(shapes::helper)?;
            (helper, slip) = (drawn, its);
            let target = helper.clone();
            caller = self.right(move |random, subject| shapes::caller(random, subject, &target))?;
        } else {
            helper = self.right(shapes::helper)?;
            let target = helper.clone();
            (caller, slip) =
                self.faulty(move |random, subject| shapes::caller(random, subject, &target))?;
        }
        let imported = helper.name.clone();
        let (mut modules, helper_at);
        let mut own;
        if level == 3 {
            own = self.others(1, true)?;
            let at = self.random.below(2);
            own.insert(at, helper);
            helper_at = Place(0, at);
            modules = Vec::new();
        } else {
            own = self.others(1, true)?;
            let mut first = self.others(1, true)?;
            let at = self.random.below(2);
            first.insert(at, helper);
            helper_at = Place(0, at);
            modules = vec![self.module(first, None)];
        }
        let from = modules
            .first()
            .map(|module: &Module| (module.name.clone(), imported));
        own.push(caller);
        let caller_at = Place(modules.len(), own.len() - 1);
        let mut second = self.module(own, from);
        if modules
            .first()
            .is_some_and(|module| module.name == second.name)
        {
            second.name.push_str("_main");
        }
        modules.push(second);
        Some((
            modules,
            if in_helper { helper_at } else { caller_at },
            caller_at,
            slip,
        ))
    }

    fn module(&mut self, functions: Vec<Function>, imports: Option<(String, String)>) -> Module {
        let ending = self.random.pick(words::ENDINGS);
        Module {
            name: format!("{}{ending}", self.subject.0),
            imports,
            functions,
        }
    }

    /// A function of this split that can have the fault, and one way to have it.
    fn faulty(
        &mut self,
        make: impl Fn(&mut Random, &Subject) -> Function,
    ) -> Option<(Function, Slip)> {
        for _ in 0..TRIES {
            let function = make(self.random, &self.subject);
            let mut slips = function.body.slips();
            slips.retain(|slip| slip.fault == self.fault);
            if slips.is_empty() || !self.takes(&function) {
                continue;
            }
            let at = self.random.below(slips.len());
            let slip = slips.swap_remove(at);
            // The wrong body must not be a right one of another split.
            if self.split.owns(&body(&function, Some(&slip))) {
                self.taken.push(function.name.clone());
                return Some((function, slip));
            }
        }
        None
    }

    fn right(&mut self, make: impl Fn(&mut Random, &Subject) -> Function) -> Option<Function> {
        for _ in 0..TRIES {
            let function = make(self.random, &self.subject);
            if self.takes(&function) {
                self.taken.push(function.name.clone());
                return Some(function);
            }
        }
        None
    }

    fn others(&mut self, count: usize, easy: bool) -> Option<Vec<Function>> {
        (0..count)
            .map(|_| self.right(|random, subject| shapes::function(random, subject, easy)))
            .collect()
    }

    fn takes(&self, function: &Function) -> bool {
        let mut names: Vec<&String> = function.parameters.iter().map(|one| &one.name).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        names.len() == count
            && !self.taken.contains(&function.name)
            && function.body.lines(None).len() <= 12
            && function.doc.len() <= 150
            && self.split.owns(&body(function, None))
    }
}
