//! Choice of colours.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// Choice of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    /// On a terminal that has them, unless `NO_COLOR` is set
    Auto,
    /// Always; `listen` then prints into a pipe what it would print on a terminal
    Always,
    /// Never
    Never,
}

impl Color {
    /// True if stdout gets colours.
    pub(crate) fn is_on(self) -> bool {
        self.is_on_for(io::stdout().is_terminal())
    }

    /// True if a stream gets colours; `terminal` says whether it is one.
    pub(crate) fn is_on_for(self, terminal: bool) -> bool {
        match self {
            Self::Auto => wants_color(terminal, |name| std::env::var_os(name)),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Applies the rules of no-color.org and bixense.com/clicolors. An empty variable counts as unset.
fn wants_color(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is_zero = |name| variable(name).is_some_and(|value| value == "0");
    if is_set("NO_COLOR") {
        return false;
    }
    let is_forced = is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE");
    is_forced || terminal && !is_dumb(&variable) && !is_zero("CLICOLOR")
}

fn is_dumb(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// True if a terminal of this machine understands escape sequences.
pub(crate) fn has_escapes() -> bool {
    !is_dumb(|name| std::env::var_os(name))
}

#[cfg(test)]
mod tests {
    use super::wants_color;

    #[test]
    fn variables_say_whether_there_are_colours() {
        for (terminal, variables, wanted) in [
            (true, &[("TERM", "xterm")][..], true),
            (false, &[("TERM", "xterm")], false),
            (true, &[], false),
            (true, &[("TERM", "")], false),
            (true, &[("TERM", "dumb")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (true, &[("TERM", "xterm"), ("CLICOLOR", "0")], false),
            (true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (false, &[("CLICOLOR_FORCE", "")], false),
            (true, &[("TERM", "xterm"), ("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            let value = |name: &str| variables.iter().find(|(of, _)| *of == name);
            let value = |name: &str| value(name).map(|(_, value)| (*value).into());
            assert_eq!(wants_color(terminal, value), wanted, "{terminal} {variables:?}");
        }
    }
}
