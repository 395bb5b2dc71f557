//! The workbench without a terminal: its state, what each event does to it, and the one table of commands.
