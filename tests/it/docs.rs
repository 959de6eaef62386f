//! Man pages and completions follow the flags: rendered here, compared with `man/` and
//! `completions/`. `UPDATE_DOCS=1 cargo test docs` rewrites them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use qmsg::cli::{Cli, CompletionShell, completion_script};
use qmsg::wire::{self, CloseCode};

/// Files of a directory, by name.
type Files = BTreeMap<String, String>;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &str) -> String {
    fs::read_to_string(directory(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The program and its commands, as the pages show them.
fn commands() -> Vec<Command> {
    let quiet = |command: Command| command.disable_help_subcommand(true);
    let mut whole = quiet(Cli::command()).mut_subcommands(quiet);
    whole.build();
    let mut commands: Vec<Command> = whole.get_subcommands().cloned().collect();
    commands.insert(0, whole);
    commands
}

/// Text that clap_mangen puts before each section of a page; one copy is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Man page of a command: options from the flags, other sections written by hand.
fn page(command: &Command, prose: &str) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    // Otherwise the synopsis would name every option and omit their values.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let command = command.clone().override_usage(usage).subcommand_help_heading("COMMANDS");
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    // Subcommands of the program have pages of their own.
    let is_program = command.get_name() == "qmsg";
    if is_program {
        man.render_subcommands_section(&mut page).unwrap();
    }
    man.render_options_section(&mut page).unwrap();
    let mut sections = String::from_utf8(page).unwrap();
    assert!(sections.contains(PREAMBLE));
    if !is_program && command.has_subcommands() {
        sections += ".SH COMMANDS\n";
        sections.extend(command.get_subcommands().map(subcommand));
    }
    let sections = sections.replace(PREAMBLE, "");
    // clap_mangen's title without a date has its fields in the wrong places.
    let title = format!(".TH {name} 1 \"\" \"qmsg {}\" qmsg\n", env!("CARGO_PKG_VERSION"));
    format!("{PREAMBLE}{title}{sections}{prose}")
}

/// Section about a nested subcommand: its description, and the options that only it has.
fn subcommand(command: &Command) -> String {
    let own = command.clone().mut_args(|arg| {
        let is_elsewhere = arg.is_global_set() || arg.get_id() == "help";
        // A heading would begin a new section for each subcommand.
        arg.hide(is_elsewhere).help_heading(None)
    });
    let man = Man::new(own);
    let mut section = Vec::new();
    man.render_description_section(&mut section).unwrap();
    man.render_options_section(&mut section).unwrap();
    let section = String::from_utf8(section).unwrap();
    let section = section.replace(".SH DESCRIPTION\n", "").replace(".SH OPTIONS\n", "");
    format!(".SS {}\n{section}", command.get_name())
}

fn pages() -> Files {
    let pages = commands().into_iter().map(|command| {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let prose = read(&format!("man/prose/{name}.roff"));
        (format!("{name}.1"), page(&command, &prose))
    });
    pages.collect()
}

fn completions() -> Files {
    let files = [
        (CompletionShell::Bash, "qmsg.bash"),
        (CompletionShell::Zsh, "_qmsg"),
        (CompletionShell::Fish, "qmsg.fish"),
    ];
    files.map(|(shell, file)| (file.to_owned(), completion_script(shell))).into()
}

/// Compares a directory with its wanted files, or updates it.
#[track_caller]
fn keep(name: &str, wanted: &Files, by_hand: &[&str]) {
    let dir = directory(name);
    let entries = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    let mut found: BTreeSet<String> =
        files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    for file in by_hand {
        assert!(found.remove(*file), "{name}/{file} is missing");
    }
    if env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        found.iter().filter(|file| !wanted.contains_key(*file)).for_each(|file| {
            fs::remove_file(dir.join(file)).unwrap();
        });
        wanted.iter().for_each(|(file, text)| fs::write(dir.join(file), text).unwrap());
        return;
    }
    let hint = "UPDATE_DOCS=1 cargo test docs";
    assert!(found.iter().eq(wanted.keys()), "{name}/ has {found:?}; {hint}");
    for (file, text) in wanted {
        assert!(read(&format!("{name}/{file}")) == *text, "{name}/{file} is not current; {hint}");
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn man_pages_are_current() {
    let pages = pages();
    keep("man", &pages, &["qmsg.7"]);
    let prose = fs::read_dir(directory("man/prose")).unwrap();
    let prose: BTreeSet<String> =
        prose.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let wanted: BTreeSet<String> = pages.keys().map(|page| page.replace(".1", ".roff")).collect();
    assert_eq!(prose, wanted);
}

#[test]
fn completions_are_current() {
    keep("completions", &completions(), &[]);
}

#[test]
fn every_variable_of_a_flag_is_listed() {
    let main = read("man/prose/qmsg.roff");
    let listed = main.split(".SH ENVIRONMENT").nth(1).unwrap().split("\n.SH ").next().unwrap();
    for command in commands() {
        for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
            let variable = variable.to_str().unwrap();
            assert!(listed.contains(&format!(".B {variable}\n")), "{variable} is not in qmsg.1");
        }
    }
}

#[test]
fn units_of_systemd_run_what_there_is() {
    let mut runs = 0;
    for entry in fs::read_dir(directory("docs/systemd")).unwrap() {
        let unit = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let parsed = Cli::command().try_get_matches_from(line.split(' '));
            parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
            runs += 1;
        }
        for page in unit.lines().filter_map(|line| line.strip_prefix("Documentation=man:")) {
            read(&format!("man/{}", page.replace("(1)", ".1")));
        }
    }
    assert!(runs > 0);
}

/// Variants of a public enum in the source, in order, each with its named fields.
fn variants(path: &str, name: &str) -> Vec<(String, Vec<String>)> {
    let source = read(path);
    let start = source.find(&format!("pub enum {name} {{")).unwrap();
    let body = source[start..].split("\n}\n").next().unwrap();
    let mut variants: Vec<(String, Vec<String>)> = Vec::new();
    let word = |line: &str| -> String {
        line.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    for line in body.lines().skip(1) {
        let indent = line.len() - line.trim_start().len();
        let word = word(line);
        match indent {
            4 if !word.is_empty() => variants.push((word, Vec::new())),
            8 if !word.is_empty() => variants.last_mut().unwrap().1.push(word),
            _ => {}
        }
    }
    variants
}

/// Entry of a list in a man page: from its heading to the next.
#[track_caller]
fn entry<'a>(page: &'a str, section: &str, heading: &str) -> &'a str {
    let section = format!(".SH {section}\n");
    let start = page.find(&section).unwrap_or_else(|| panic!("no section {section}"));
    let section = page[start + section.len()..].split("\n.SH ").next().unwrap();
    let mut entries = section.split(".TP\n");
    let line = format!(".B {heading}\n");
    entries.find(|entry| entry.starts_with(&line)).unwrap_or_else(|| panic!("no {heading}"))
}

#[test]
fn the_protocol_page_has_every_variant_with_its_number_and_fields() {
    let page = read("man/qmsg.7");
    let lists = [
        ("FRAMES FROM CLIENT TO SERVER", "from_client", "FromClient", 20),
        ("FRAMES FROM SERVER TO CLIENT", "from_server", "FromServer", 23),
        ("REFUSALS", "refusal", "Refusal", 6),
    ];
    for (section, file, name, at_least) in lists {
        let variants = variants(&format!("src/wire/{file}.rs"), name);
        assert!(variants.len() >= at_least, "{variants:?}");
        for (number, (variant, fields)) in variants.iter().enumerate() {
            let text = entry(&page, section, &format!("{number} {variant}"));
            for field in fields {
                assert!(text.contains(&format!("\\fI{field}\\fR")), "{variant}: no {field}");
            }
        }
    }
    for code in CloseCode::ALL {
        entry(&page, "CLOSE CODES", &format!("{} {code:?}", code.number()));
    }
    let alpn = std::str::from_utf8(wire::ALPN).unwrap();
    assert!(page.contains(alpn));
    assert!(page.contains(concat!("\"qmsg ", env!("CARGO_PKG_VERSION"), "\"")), "its version");
    let numbers = [
        wire::CHUNK_LEN_MAX,
        wire::FRAME_LEN_MAX,
        wire::HEADERS_MAX,
        wire::HEADERS_LEN_MAX,
        wire::NAME_LEN_MAX,
        wire::SPANS_MAX,
        wire::BUNDLE_MAX,
        wire::CHUNKS_AHEAD_MAX as usize,
        wire::PORT.into(),
    ];
    for number in numbers {
        assert!(page.contains(&format!("{number}")), "{number} is not in qmsg.7");
    }
}

#[test]
fn the_table_of_exit_codes_is_whole() {
    let page = read("man/prose/qmsg.roff");
    let source = read("src/failure.rs");
    let body = source.split("pub enum Exit {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let codes: Vec<&str> = body
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(_, code)| code.trim_end_matches(','))
        .collect();
    assert!(codes.len() >= 15, "{codes:?}");
    for code in codes {
        entry(&page, "EXIT STATUS", code);
    }
}

/// Checks that the files which a page links to exist.
fn check_links(page: &str) {
    let links = page.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
    let links: Vec<&str> = links.collect();
    assert!(links.len() >= 3, "{links:?}");
    for link in links {
        assert!(directory("docs").join(link).exists(), "{link}");
    }
}

#[test]
fn the_page_of_performance_is_whole() {
    let page = read("docs/PERFORMANCE.md");
    check_links(&page);
    let marks = |side: &str| -> Vec<&str> {
        let marks = page.lines().filter_map(|line| line.strip_prefix(side));
        marks.filter_map(|rest| rest.strip_suffix(" -->")).collect()
    };
    assert_eq!(marks("<!-- begin "), marks("<!-- end "));
}

/// Source of all tests.
fn sources(dir: &Path) -> String {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => fs::read_to_string(path).unwrap_or_default(),
    };
    entries.map(read).collect()
}

#[test]
fn the_longer_runs_that_are_named_can_be_run() {
    let page = read("docs/RELIABILITY.md");
    check_links(&page);
    // Names of rooms are lower-case.
    let is_open = |rest: &str| rest.starts_with(char::is_uppercase);
    assert!(!page.split('@').skip(1).any(is_open), "a figure is missing");
    let sources = sources(&directory("tests/it"));
    let both = page + &read("README.md");
    let commands = both.lines().filter_map(|line| line.split_once("cargo test "));
    let commands: Vec<(&str, &str)> = commands.filter(|(_, run)| run.contains("-- ")).collect();
    assert!(commands.len() >= 20, "{commands:?}");
    for (variables, run) in commands {
        for variable in variables.split_whitespace().filter_map(|word| word.split_once('=')) {
            assert!(sources.contains(&format!("\"{}\"", variable.0)), "{variable:?}");
        }
        let name = run.split_once("--test it ").unwrap().1.split(' ').next().unwrap();
        let path = format!("tests/it/{}.rs", name.trim_end_matches("::").replace("::", "/"));
        assert!(name == "NAME" || directory(&path).is_file(), "{name}");
    }
}
