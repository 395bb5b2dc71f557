//! From the scopes of a syntax to roles.

use std::collections::HashMap;
use std::sync::LazyLock;

use syntect::parsing::{Scope, ScopeStack};

use crate::text::role::Role;

/// The longest beginning that fits a scope gives its role; a scope that fits none has no say.
const TABLE: &[(&str, Role)] = &[
    ("comment", Role::CodeComment),
    ("string", Role::CodeString),
    ("constant", Role::CodeConstant),
    ("constant.numeric", Role::CodeNumber),
    ("constant.character", Role::CodeConstant),
    ("keyword", Role::CodeKeyword),
    ("keyword.operator", Role::CodeOperator),
    ("keyword.operator.logical", Role::CodeKeyword),
    ("keyword.operator.word", Role::CodeKeyword),
    ("storage", Role::CodeKeyword),
    ("entity.name", Role::CodeType),
    ("entity.name.function", Role::CodeFunction),
    ("entity.name.tag", Role::CodeKeyword),
    ("entity.name.section", Role::MarkupHeading),
    ("entity.name.label", Role::CodeConstant),
    ("entity.other.inherited-class", Role::CodeType),
    ("entity.other.attribute-name", Role::CodeAttribute),
    ("support.function", Role::CodeFunction),
    ("support.type", Role::CodeType),
    ("support.class", Role::CodeType),
    ("support.constant", Role::CodeConstant),
    ("support.macro", Role::CodeAttribute),
    ("variable.function", Role::CodeFunction),
    ("variable.language", Role::CodeVariable),
    ("variable.annotation", Role::CodeAttribute),
    ("meta.annotation", Role::CodeAttribute),
    ("punctuation.definition.annotation", Role::CodeAttribute),
    ("meta.interpolation", Role::Code),
    ("markup.heading", Role::MarkupHeading),
    ("markup.bold", Role::MarkupBold),
    ("markup.italic", Role::MarkupItalic),
    ("markup.raw", Role::MarkupCode),
    ("markup.quote", Role::MarkupQuote),
    ("markup.underline.link", Role::MarkupLink),
    ("markup.inserted", Role::DiffAdd),
    ("markup.deleted", Role::DiffDel),
    ("meta.diff.header", Role::Strong),
    ("meta.diff.range", Role::DiffHunk),
];

static SCOPES: LazyLock<Vec<(Scope, Role)>> = LazyLock::new(|| {
    let scope = |(name, role): &(&str, Role)| Some((Scope::new(name).ok()?, *role));
    TABLE.iter().filter_map(scope).collect()
});

/// Roles of the scopes met so far.
#[derive(Default)]
pub(super) struct Roles {
    known: HashMap<Scope, Option<Role>>,
}

impl Roles {
    /// The role of what lies within these scopes: that of the innermost that has one.
    pub(super) fn of(&mut self, scopes: &ScopeStack) -> Role {
        let role = |scope: &Scope| *self.known.entry(*scope).or_insert_with(|| look_up(*scope));
        let found = scopes.as_slice().iter().rev().find_map(role);
        found.unwrap_or(Role::Code)
    }
}

fn look_up(scope: Scope) -> Option<Role> {
    SCOPES
        .iter()
        .filter(|(beginning, _)| beginning.is_prefix_of(scope))
        .max_by_key(|(beginning, _)| beginning.len())
        .map(|(_, role)| *role)
}
