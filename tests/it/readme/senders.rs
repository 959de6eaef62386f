//! Examples for handling a message, in README and man pages, with a malicious sender: the content
//! of a message never becomes an option, a command, or a name.

use std::fs;

use super::walk::write_program;
use super::{blocks, repository};
use crate::needs::is_missing;
use crate::real::kit::{Home, start};

const BODIES: &[&str] = &[
    "-f/etc/passwd",
    "--server=evil.example.org",
    "-n",
    "$(touch made)",
    "`touch made`",
    "; touch made;",
    "'; touch made; '",
    "\" && touch made && \"",
    "../../made",
    "* %s %n a\\tb \\c",
];

/// Programs replaced by stand-ins that record their options and input.
const PROGRAMS: &[&str] = &["logger", "notify-send", "df", "mail"];
const REPORT: &str = r#"
while [ $# != 0 ]; do
    case $1 in
    --) shift; break ;;
    -t) shift 2 ;;
    -h) shift ;;
    -*) touch "$HOME/made"; exit 1 ;;
    *) break ;;
    esac
done
printf 'given: %s\n' "$@"
"#;

/// Shell lines that listen and do something with each message.
fn examples() -> Vec<String> {
    let blocks = blocks().into_iter().filter(|block| block.language == "sh");
    let mut lines: Vec<String> = blocks.map(|block| block.text).collect();
    for page in fs::read_dir(repository().join("man/prose")).unwrap() {
        let text = fs::read_to_string(page.unwrap().path()).unwrap();
        lines.push(text.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\"));
    }
    let lines = lines.iter().flat_map(|text| text.lines()).filter(|line| {
        let is_run =
            ["| while", "--exec ", "--shell ", " -x "].iter().any(|way| line.contains(way));
        line.starts_with("qmsg listen") && is_run && !line.contains(" ./")
    });
    lines.map(|line| line.trim_end_matches(" &").to_owned()).collect()
}

#[test]
fn a_message_is_never_an_option_or_a_command() {
    fn here() {}
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["mallory", "bob"]);
    fs::create_dir(home.path().join("bin")).unwrap();
    for name in PROGRAMS {
        write_program(&home.path().join("bin").join(name), REPORT);
    }
    let examples = examples();
    assert!(examples.len() >= 8, "{examples:?}");
    for example in &examples {
        if example.contains("jq") && is_missing("jq", &here) {
            continue;
        }
        let words: Vec<&str> = example.split(' ').collect();
        let named = words.iter().position(|word| *word == "--as");
        let id = named.map_or("bob", |at| words[at + 1]);
        home.join(&server, &[id]);
        for body in BODIES {
            home.run(&["send", id, "--as", "mallory", "--title", "t", "--", body]).ok();
        }
        // All waiting messages, instead of one or of those to come.
        let line = ["--count 1 ", "--count 2 ", "--poll "]
            .iter()
            .fold(example.clone(), |line, flag| line.replace(flag, ""))
            .replacen("qmsg listen", "qmsg listen --poll", 1);
        let path = "PATH=\"$HOME/bin:$PATH\"; export PATH QMSG_AS=";
        let said = start(home.program("/bin/sh", &["-c", &format!("{path}{id}; {line}")])).end();
        let shown = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.code, Some(0), "{example}: {shown}{}", said.stderr);
        assert!(!home.path().join("made").exists(), "{example}: {shown}");
        // A reply goes to whoever asked.
        let is_shown = example.contains("printf") || example.contains("-- ");
        if is_shown && !example.contains("--reply") {
            let missing = BODIES.iter().find(|body| !shown.contains(*body));
            assert_eq!(missing, None, "{example}: {shown}");
        }
    }
}
