//! A scaffold: templates, tools, a way of writing calls, rules for results, limits.
//!
//! Mental model: [`Scaffold`] is a set of pure functions between the rollout and the model. A task becomes the opening
//! messages, a reply becomes a [`Turn`](super::Turn), an [`Outcome`] becomes the message that the model sees next. Everything that can be
//! wrong with a scaffold's files is found by [`Scaffold::load`], which renders every template once with made-up values.
//!
//! It carries nothing out ([`super::Hands`] does) and keeps no conversation (the rollout does).

mod replies;
#[cfg(test)]
mod tests;

use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::observation::{self, Command};
use super::scaffold_file::{self, Acts};
pub use super::scaffold_folder::ScaffoldError;
use super::scaffold_folder::{self, Folder, line_and_column};
use super::{Limits, Outcome, OverflowPolicy, TaskView, ToolForm, tools};
use crate::model::tool_text;
use crate::model::{Message, Role, ToolCall, ToolSpec};

/// One tool, ready for use.
#[derive(Debug)]
struct Tool {
    acts: Acts,
    run: String,
    spec: ToolSpec,
}

/// An agent's design, loaded and checked.
#[derive(Debug)]
pub struct Scaffold {
    folder: Folder,
    form: ToolForm,
    tools: Vec<Tool>,
    templates: Environment<'static>,
}

impl Scaffold {
    /// A builtin name, a folder with a `scaffold.toml`, or that file itself.
    pub fn load(name_or_path: &str) -> Result<Self, ScaffoldError> {
        let folder = scaffold_folder::open(name_or_path)?;
        let mut offered: Vec<Tool> = Vec::new();
        for tool in &folder.tools {
            let description = folder
                .texts
                .get(&tool.description)
                .map_or("", String::as_str);
            let wrong = |message| ScaffoldError::Content {
                file: folder.file.clone(),
                message,
            };
            let spec = tools::spec(tool, description).map_err(|argument| {
                wrong(format!("[tools.arguments] of `{}` describes `{argument}`, which that tool does not take", tool.name))
            })?;
            if (tool.acts == Acts::Script) == tool.run.trim().is_empty() {
                return Err(wrong(format!(
                    "`{}`: a tool that acts as `script` names its command in `run`, and no other does",
                    tool.name
                )));
            }
            if offered.iter().any(|other| other.spec.name == spec.name) {
                return Err(wrong(format!(
                    "two tools are named `{}`; give them different names",
                    spec.name
                )));
            }
            offered.push(Tool {
                acts: tool.acts,
                run: tool.run.clone(),
                spec,
            });
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_debug(true);
        templates.add_filter("trim_end", |text: &str| text.trim_end().to_owned());
        for (name, text) in &folder.texts {
            templates
                .add_template_owned(name.clone(), text.clone())
                .map_err(|error| template_error(&folder, name, &error))?;
        }
        let form = folder.form;
        let scaffold = Self {
            folder,
            form,
            tools: offered,
            templates,
        };
        scaffold.check()?;
        Ok(scaffold)
    }

    /// Render everything once, so that a slip in a template is found now and not in the middle of a rollout.
    fn check(&self) -> Result<(), ScaffoldError> {
        let task = TaskView {
            hints: "hint".into(),
            ..TaskView::default()
        };
        let prompts = &self.folder.prompts;
        for name in [&prompts.system, &prompts.task]
            .into_iter()
            .chain(&prompts.example)
        {
            for task in [&task, &TaskView::default()] {
                self.render(name, self.about(task))?;
            }
        }
        for note in ["", "note"] {
            for length in [1, self.folder.observation.longest + 1] {
                let command = Command {
                    output: "x".repeat(length),
                    note: note.into(),
                    ..Command::default()
                };
                self.render(
                    &prompts.command,
                    command.context(self.folder.observation.longest),
                )?;
            }
        }
        self.render(&prompts.complaint, self.about_problem("problem"))?;
        self.render(&prompts.skipped, self.about(&task))?;
        for name in &prompts.nudges {
            self.render(name, self.about(&task))?;
        }
        Ok(())
    }

    /// Names of the scaffolds that spotter brings along.
    #[must_use]
    pub fn builtin_names() -> &'static [&'static str] {
        scaffold_folder::NAMES
    }

    /// The same scaffold with calls written in another way.
    #[must_use]
    pub fn with_form(self, form: ToolForm) -> Self {
        Self { form, ..self }
    }

    /// The same scaffold under other limits; its prompts tell the agent these.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.folder.limits = limits;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.folder.name
    }

    /// One line about it.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.folder.description
    }

    /// SHA-256 of its files, those taken from a builtin scaffold included.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.folder.hash
    }

    /// How calls are written.
    #[must_use]
    pub fn form(&self) -> ToolForm {
        self.form
    }

    /// The limits that it brings along.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.folder.limits
    }

    /// What happens when the context is full.
    #[must_use]
    pub fn overflow(&self) -> OverflowPolicy {
        self.folder.overflow
    }

    /// The first messages: system and task. With the text form the system message ends in the tools' descriptions.
    pub fn opening(&self, task: &TaskView) -> Result<Vec<Message>, ScaffoldError> {
        let prompts = &self.folder.prompts;
        let mut system = self.render(&prompts.system, self.about(task))?;
        let mut first = self.render(&prompts.task, self.about(task))?;
        if self.form == ToolForm::Xml {
            system = format!(
                "{system}\n\n{}",
                tool_text::render_tools_xml(&self.specs()).trim_end()
            );
            if let Some(example) = &prompts.example {
                first = format!("{}\n\n{first}", self.render(example, self.about(task))?);
            }
        }
        if self.form == ToolForm::Line {
            system = format!(
                "{}\n{}",
                system.trim_end(),
                tool_text::render_tools_line(&self.specs())
            );
            first.truncate(first.trim_end().len());
        }
        Ok(vec![
            Message::text(Role::System, system),
            Message::text(Role::User, first),
        ])
    }

    /// Tools to offer natively; none with the text form.
    #[must_use]
    pub fn tools(&self) -> Vec<ToolSpec> {
        match self.form {
            ToolForm::Native => self.specs(),
            ToolForm::Xml | ToolForm::Line => Vec::new(),
        }
    }

    fn specs(&self) -> Vec<ToolSpec> {
        self.tools.iter().map(|tool| tool.spec.clone()).collect()
    }

    /// Phrases at which the model is to stop.
    #[must_use]
    pub fn stop(&self) -> Vec<String> {
        match self.form {
            ToolForm::Native | ToolForm::Line => Vec::new(),
            ToolForm::Xml => vec![tool_text::XML_STOP.into()],
        }
    }

    /// The message that tells the model what its call did.
    #[must_use]
    pub fn observe(&self, call: &ToolCall, outcome: &Outcome) -> Message {
        self.answer(call, &outcome.text)
    }

    fn answer(&self, call: &ToolCall, text: &str) -> Message {
        let rules = &self.folder.observation;
        match self.form {
            ToolForm::Native => {
                Message::tool_result(call, format!("{}{text}", rules.native_prefix))
            }
            ToolForm::Xml => {
                let prefix = rules.xml_prefix.replace("{name}", &call.name);
                Message::text(Role::User, format!("{prefix}{text}"))
            }
            ToolForm::Line => Message::text(Role::User, text),
        }
    }

    /// The message that tells the model what was wrong with a call, or with a reply as a whole.
    #[must_use]
    pub fn complain(&self, call: Option<&ToolCall>, problem: &str) -> Message {
        let text = self
            .render(&self.folder.prompts.complaint, self.about_problem(problem))
            .unwrap_or_else(|_| problem.to_owned());
        match call {
            Some(call) if self.form == ToolForm::Native && !call.id.is_empty() => {
                self.answer(call, &text)
            }
            _ => Message::text(Role::User, text),
        }
    }

    /// What is said after the `consecutive`-th reply in a row (from 1) without a call; `None`: the rollout ends.
    #[must_use]
    pub fn nudge(&self, consecutive: u32) -> Option<Message> {
        if consecutive >= self.folder.limits.format_errors.max(1) {
            return None;
        }
        let nudges = &self.folder.prompts.nudges;
        let index = usize::try_from(consecutive.saturating_sub(1)).unwrap_or(usize::MAX);
        let name = nudges.get(index).or(nudges.last())?;
        let text = self.render(name, self.about(&TaskView::default())).ok()?;
        Some(Message::text(Role::User, text))
    }

    /// What the model sees of a call that a person did not let through.
    #[must_use]
    pub fn skipped(&self, call: &ToolCall) -> Message {
        let text = self
            .render(
                &self.folder.prompts.skipped,
                self.about(&TaskView::default()),
            )
            .unwrap_or_default();
        self.answer(call, &text)
    }

    /// Where commands run.
    pub(super) fn shell(&self) -> &scaffold_file::Shell {
        &self.folder.shell
    }

    /// Most characters of a result.
    pub(super) fn longest(&self) -> usize {
        self.folder.observation.longest
    }

    /// The command of a `script` tool.
    pub(super) fn script(&self, name: &str) -> &str {
        let tool = self.tools.iter().find(|tool| tool.spec.name == name);
        tool.map_or("", |tool| &tool.run)
    }

    /// Whether a person's commands go to a shell that lives on.
    pub(super) fn has_session(&self) -> bool {
        self.tools.iter().any(|tool| tool.acts == Acts::Shell)
    }

    /// Whether a command's output hands the work in.
    pub(super) fn submits(&self, output: &str, exit: i32) -> bool {
        let first = output
            .trim_start()
            .lines()
            .next()
            .unwrap_or_default()
            .trim();
        exit == 0
            && self
                .folder
                .submit
                .as_ref()
                .is_some_and(|submit| submit.first_line == first)
    }

    /// What the model is told of a command, and how many bytes of its output that leaves out.
    pub(super) fn command_text(&self, command: &Command) -> (String, u64) {
        let rules = &self.folder.observation;
        // `load` has rendered this template, so failing here takes a template that fails on some values only.
        let text = self
            .render(&self.folder.prompts.command, command.context(rules.longest))
            .unwrap_or_else(|error| format!("{}\n{error}", command.output));
        let (text, cut) = self.clip(text);
        let by_template = match rules.cut {
            None => command.output.len().saturating_sub(text.len()) as u64,
            Some(_) => 0,
        };
        (text, cut.max(by_template).saturating_add(command.unkept))
    }

    /// A finished text at the scaffold's size.
    pub(super) fn clip(&self, text: String) -> (String, u64) {
        let rules = &self.folder.observation;
        match &rules.cut {
            Some(cut) => observation::clip(text, rules.longest, cut),
            None => (text, 0),
        }
    }

    fn about(&self, task: &TaskView) -> Value {
        self.about_with(task, "")
    }

    fn about_problem(&self, problem: &str) -> Value {
        self.about_with(&TaskView::default(), problem)
    }

    fn about_with(&self, task: &TaskView, problem: &str) -> Value {
        let finish = self
            .tools
            .iter()
            .find(|tool| tool.acts == Acts::Finish)
            .map_or("", |tool| tool.spec.name.as_str());
        let submit = self
            .folder
            .submit
            .as_ref()
            .map_or("", |submit| submit.first_line.as_str());
        context! {
            instance_id => task.instance_id.as_str(), repo => task.repo.as_str(), problem_statement => task.problem_statement.as_str(),
            hints => task.hints.as_str(), workdir => task.workdir.as_str(), base_commit => task.base_commit.as_str(),
            command_seconds => self.folder.limits.command_seconds, turns => self.folder.limits.turns,
            xml => self.form == ToolForm::Xml, finish, submit, problem,
        }
    }

    fn render(&self, name: &str, context: Value) -> Result<String, ScaffoldError> {
        self.templates
            .get_template(name)
            .and_then(|template| template.render(context))
            .map_err(|error| template_error(&self.folder, name, &error))
    }
}

fn template_error(folder: &Folder, name: &str, error: &minijinja::Error) -> ScaffoldError {
    let name = error.name().unwrap_or(name);
    let text = folder.texts.get(name).map_or("", String::as_str);
    let column = error
        .range()
        .map_or(1, |range| line_and_column(text, range.start).1);
    let mut message = error.kind().to_string();
    if let Some(detail) = error.detail() {
        message = format!("{message}: {detail}");
    }
    if let Some(named) = error.range().and_then(|range| text.get(range)) {
        message = format!("{message} (at `{named}`)");
    }
    ScaffoldError::Template {
        file: folder
            .places
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned()),
        line: error.line().unwrap_or(1),
        column,
        message,
    }
}
