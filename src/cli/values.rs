//! Parsers for the values of arguments, which may not be UTF-8.

use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::handler::filter::Priority;
use crate::outgoing::job::Until;
use crate::terminal::color::Color;
use crate::text::units::{Targets, targets, user};
use crate::wire::UserId;

/// Parses any text. Bytes that are not UTF-8 are replaced, so that the next parser can name the
/// value it refuses.
pub(crate) fn lossy() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|text| text.to_string_lossy().into_owned())
}

/// Parses a user id. Invalid UTF-8 is reported as an invalid id, not as an invalid command line.
pub(crate) fn user_arg() -> impl TypedValueParser<Value = UserId> {
    lossy().try_map(|text: String| user(&text))
}

/// Parses a list of targets.
pub(crate) fn targets_arg() -> impl TypedValueParser<Value = Targets> {
    lossy().try_map(|text: String| targets(&text))
}

/// Parses the value of --color.
pub(crate) fn color() -> impl TypedValueParser<Value = Color> {
    let value = |name: &'static str, help: &'static str, color| {
        (PossibleValue::new(name).help(help), color)
    };
    one_of(vec![
        value("auto", "On a terminal that has them, unless `NO_COLOR` is set", Color::Auto),
        value(
            "always",
            "Always; `listen` then prints into a pipe what it would print on a terminal",
            Color::Always,
        ),
        value("never", "Never", Color::Never),
    ])
}

/// Parses the value of --until.
pub(crate) fn until() -> impl TypedValueParser<Value = Until> {
    let value = |name: &'static str, help: &'static str, until| {
        (PossibleValue::new(name).help(help), until)
    };
    one_of(vec![
        value("accepted", "It is on the server's disk", Until::Accepted),
        value("delivered", "A reader of each recipient has received it", Until::Delivered),
        value("processed", "A reader of each recipient has processed it", Until::Processed),
    ])
}

/// Parses a priority: its name, or a number from 1 to 5.
pub(crate) fn priority() -> impl TypedValueParser<Value = Priority> {
    let numbered = (1..).zip(Priority::NAMED).map(|(number, (name, priority))| {
        (PossibleValue::new(name).alias(number.to_string()), priority)
    });
    one_of(numbered.collect())
}

/// Parses one of some named values.
fn one_of<T>(values: Vec<(PossibleValue, T)>) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let names: Vec<PossibleValue> = values.iter().map(|(name, _)| name.clone()).collect();
    PossibleValuesParser::new(names).try_map(move |text| {
        let found = values.iter().find(|(name, _)| name.matches(&text, false));
        found.map(|(_, value)| *value).ok_or("no such value")
    })
}
