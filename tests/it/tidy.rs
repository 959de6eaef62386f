//! The rules of the house, kept by reading the source. A rule is a row of a table; what a row
//! cannot say is a short function. Each is shown to bite on a snippet that breaks it.

mod bounds;
mod calls;
mod ceilings;
mod comments;
mod graph;
mod imports;
mod items;
mod layout;
mod names;
mod owners;
mod parts;
mod sizes;
mod snippets;
mod source;
mod tree;

use std::path::Path;
use std::{fs, io};

use parts::{ANY, PARTS};
use sizes::check_sizes;
use source::{Source, has};

/// Crates of one file besides those of its part: the stored form of a record is a serialisation.
const BEYOND: (&str, &[&str]) = ("src/store/sqlite/record.rs", &["serde", "postcard"]);

/// Patterns that must not stand in code below `within`, except below `but`.
struct Ban {
    rule: &'static str,
    within: &'static str,
    but: &'static [&'static str],
    patterns: &'static [&'static str],
}

const BANS: &[Ban] = &[
    Ban { rule: "no unsafe code", within: "", but: &[], patterns: &["unsafe"] },
    Ban {
        rule: "no globals",
        within: "src/",
        but: &[],
        patterns: &["static", "thread_local", "OnceLock", "LazyLock", "OnceCell", "LazyCell"],
    },
    Ban {
        rule: "names are imported one by one and by their path from the root",
        within: "",
        but: &[],
        patterns: &["use super::*", "super::super"],
    },
    Ban {
        rule: "a queue has a bound",
        within: "",
        but: &[],
        patterns: &[
            "unbounded_channel",
            "UnboundedSender",
            "UnboundedReceiver",
            "mpsc::channel()",
            "mpsc::channel::<…>()",
            "std::sync::mpsc::channel",
            "std::sync::mpsc::{…channel",
        ],
    },
    Ban {
        rule: "logic has no order by hash",
        within: "src/logic",
        but: &[],
        patterns: &["HashMap", "HashSet"],
    },
    Ban {
        rule: "only server/clock.rs, client/loop_clock.rs and clock.rs read a clock",
        within: "src/",
        but: &["src/server/clock.rs", "src/client/loop_clock.rs", "src/clock.rs"],
        patterns: &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "elapsed()"],
    },
    Ban {
        rule: "only terminal/print.rs writes stdout",
        within: "src/",
        but: &["src/terminal/print.rs", "src/terminal/color.rs"],
        patterns: &["println!", "print!", "stdout()", "io::stdout"],
    },
    Ban {
        rule: "only terminal/notices.rs writes stderr",
        within: "src/",
        but: &["src/terminal/notices.rs"],
        patterns: &["eprintln!", "eprint!", "stderr()", "io::stderr"],
    },
    Ban {
        rule: "only main.rs exits",
        within: "src/",
        but: &["src/main.rs"],
        patterns: &["process::exit", "process::abort", "ExitCode"],
    },
    Ban {
        rule: "only wire/ and store/sqlite/record.rs derive serialisation",
        within: "src/",
        but: &["src/wire/", "src/store/sqlite/record.rs"],
        patterns: &["Serialize", "Deserialize"],
    },
    Ban {
        rule: "a test waits for an event, it does not sleep",
        within: "tests/",
        but: &[],
        patterns: &["sleep", "sleep_until"],
    },
    Ban { rule: "no test is ignored", within: "", but: &[], patterns: &["#[ignore", "ignore ="] },
    Ban {
        rule: "nothing is left unfinished",
        within: "",
        but: &[],
        patterns: &["todo!", "unimplemented!", "dbg!"],
    },
];

/// Programs that not every machine with Rust and a C compiler has or lets run, as tests start them,
/// and what such a test says it needs.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("\"unshare\"", &["namespaces", "networks", "cron"]),
    ("\"strace\"", &["strace"]),
    ("script -q", &["script"]),
    ("\"ip\"", &["networks"]),
    // There is a call for it.
    ("Command::new(\"kill\")", &[]),
];

const NEEDS: &str = "a test says needs!(…) of what a machine may lack";
const LAYERS: &str = "a part uses only what lies below it";
const CRATES: &str = "a part uses only its crates";
const REASON: &str = "unwrap and expect have a reason beside them";
const UNFINISHED: &str = "no notes to self";
const DEAD: &str = "no code in comments";
const PATHS: &str = "no paths of somebody's machine";

/// A line, counted from 1, and the rule it breaks.
type Offence = (usize, &'static str);

/// All that is wrong with a Rust file, by its path in the repository.
fn check(path: &str, text: &str) -> Vec<Offence> {
    let source = Source::new(path, text);
    let mut found = check_sizes(&source);
    for ban in BANS {
        if path.starts_with(ban.within) && !ban.but.iter().any(|but| path.starts_with(but)) {
            let lines = ban.patterns.iter().flat_map(|pattern| source.find(pattern));
            found.extend(lines.map(|line| (line, ban.rule)));
        }
    }
    for (comment, line) in source.comments.lines().map(str::trim).zip(1..) {
        if ["TODO", "FIXME", "XXX"].iter().any(|note| has(comment, note)) {
            found.push((line, UNFINISHED));
        }
        if is_dead_code(comment) {
            found.push((line, DEAD));
        }
    }
    let keeps_them = ["tests/it/needs.rs", "tests/it/tidy.rs", "tests/it/tidy/snippets.rs"];
    if path.starts_with("tests/it/") && !keeps_them.contains(&path) {
        check_needs(&source, &mut found);
    }
    if let Some(inside) = path.strip_prefix("src/") {
        let part = inside.split(['/', '.']).next().unwrap();
        check_layers(&source, part, &mut found);
        check_crates(&source, part, &mut found);
        check_reasons(&source, &mut found);
    }
    found
}

fn check_needs(source: &Source, found: &mut Vec<Offence>) {
    for (program, needs) in PROGRAMS {
        let says = |need: &&str| source.text.contains(&format!("needs!(\"{need}\""));
        if !needs.iter().any(says) {
            let lines = source.text.lines().zip(1..).filter(|(line, _)| line.contains(program));
            found.extend(lines.map(|(_, line)| (line, NEEDS)));
        }
    }
}

fn check_layers(source: &Source, part: &str, found: &mut Vec<Offence>) {
    let row = PARTS.iter().find(|(name, ..)| *name == part);
    let Some((_, may, _)) = row else { return found.push((1, LAYERS)) };
    for (line, name) in named_parts(source) {
        let is_part = PARTS.iter().any(|(other, ..)| *other == name);
        if is_part && name != part && !may.contains(&name) {
            found.push((line, LAYERS));
        }
    }
}

/// The names right below the root of the crate that a file has, each with its line.
fn named_parts<'a>(source: &'a Source) -> Vec<(usize, &'a str)> {
    let inside = source.path.strip_prefix("src/").unwrap_or(source.path);
    let is_top = !inside.trim_end_matches("/mod.rs").contains('/');
    let roots = ["crate::", "qmsg::"].into_iter().chain(is_top.then_some("super::"));
    roots.flat_map(|root| source.named_behind(root)).collect()
}

fn check_crates(source: &Source, part: &str, found: &mut Vec<Offence>) {
    let Some((.., may)) = PARTS.iter().find(|(name, ..)| *name == part) else { return };
    let (file, more) = BEYOND;
    let may = |name: &str| {
        may.contains(&ANY) || may.contains(&name) || source.path == file && more.contains(&name)
    };
    for name in dependencies().iter().filter(|name| !may(name)) {
        let named = source.named_behind(&format!("{name}::"));
        found.extend(named.into_iter().map(|(line, _)| (line, CRATES)));
    }
}

/// The crates that the product is built from, as code spells them.
fn dependencies() -> Vec<String> {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let table = manifest["dependencies"].as_table().unwrap();
    table.keys().map(|name| name.replace('-', "_")).collect()
}

/// A reason is a comment, or an `#[expect(…, reason)]`, on the statement or right above it.
fn check_reasons(source: &Source, found: &mut Vec<Offence>) {
    let (code, text): (Vec<_>, Vec<_>) =
        (source.code.lines().collect(), source.text.lines().collect());
    let comments: Vec<_> = source.comments.lines().collect();
    let tests = text.iter().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(text.len());
    let calls = [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err("];
    for at in (0..tests).filter(|&at| calls.iter().any(|call| has(code[at], call))) {
        let ends =
            |line: &str| line.trim().is_empty() || line.trim_end().ends_with([';', '{', '}']);
        let start = (0..at).rev().find(|&before| ends(code[before])).unwrap_or(0);
        let reason =
            |line: usize| !comments[line].trim().is_empty() || has(code[line], "#[expect(");
        if !(start..=at).any(reason) {
            found.push((at + 1, REASON));
        }
    }
}

/// A guess: prose does not end like a statement or open with a keyword and a brace.
fn is_dead_code(comment: &str) -> bool {
    let Some(text) = comment.strip_prefix("//").filter(|text| !text.starts_with(['/', '!'])) else {
        return false;
    };
    let text = text.trim();
    let statement =
        text.ends_with(';') && ["(", "=", "use ", "::"].iter().any(|p| text.contains(p));
    statement || text.ends_with('{') || text == "}" || text == "});" || text.starts_with("#[")
}

/// Offences of any text file: where it says what only one machine has.
fn check_paths(text: &str) -> Vec<Offence> {
    // In pieces, since this file is text of the repository too.
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let begins = |line: &str, at: usize| !line[..at].ends_with(char::is_alphanumeric);
    let names = |line: &str| {
        paths.iter().any(|path| line.match_indices(path).any(|(at, _)| begins(line, at)))
    };
    text.lines().zip(1..).filter(|(line, _)| names(line)).map(|(_, line)| (line, PATHS)).collect()
}

/// Offences of a shell script.
fn check_script(text: &str) -> Vec<Offence> {
    let sleeps = |line: &str| has(line.split('#').next().unwrap(), "sleep");
    let rule = BANS.iter().find(|ban| ban.within == "tests/").unwrap().rule;
    text.lines().zip(1..).filter(|(line, _)| sleeps(line)).map(|(_, line)| (line, rule)).collect()
}

/// Every file below `directory`, by its path from the root, but for git's own and what it ignores.
fn files(root: &Path, directory: &Path, found: &mut Vec<String>) -> io::Result<()> {
    let ignored = fs::read_to_string(root.join(".gitignore"))?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        if name == ".git" || ignored.lines().any(|line| line.trim_matches('/') == name) {
            continue;
        } else if path.is_dir() {
            files(root, &path, found)?;
        } else {
            found.push(name.into());
        }
    }
    Ok(())
}

#[test]
fn the_rules_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![];
    files(root, root, &mut paths).unwrap();
    paths.sort_unstable();
    let mut report = String::new();
    for path in &paths {
        // What is not UTF-8 is not source.
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        let mut found = check_paths(&text);
        if path.ends_with(".rs") {
            found.extend(check(path, &text));
        } else if path.starts_with("tests/") && path.ends_with(".sh") {
            found.extend(check_script(&text));
        }
        for (line, rule) in found {
            report += &format!("{path}:{line}: {rule}\n");
        }
    }
    assert!(paths.iter().any(|path| path == "src/lib.rs"));
    assert!(report.is_empty(), "\n{report}");
}
