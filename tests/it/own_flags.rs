//! Flags and arguments of an application's own, on the command line and in the settings file: the program `rogue` has one, `place`.

use crate::cli::{Home, cgi, told};
use crate::served::poll;
use crate::testbed::example;
use crate::wire::Ask;

fn with(settings: &str) -> Home {
    let home = Home::of(example("rogue"));
    home.set(settings);
    home
}

/// What the program has it at when it is started with these.
fn place(settings: &str, arguments: &[&str]) -> String {
    let home = with(settings);
    let program = home.start(arguments);
    program.ask(&Ask::get("/flag")).page().1.to_owned()
}

#[test]
fn the_flag_counts_before_the_file_and_the_file_before_the_default() {
    assert_eq!(place("", &[]), "nowhere");
    assert_eq!(place("place /in the file # comment\n", &[]), "/in the file");
    assert_eq!(place("place /in/the/file\n", &["--place", "here"]), "here");
    assert_eq!(place("", &["--place=here"]), "here");
}

#[test]
fn in_cgi_it_is_the_files() {
    let answer = with("place /srv\n").run_cgi("/flag");
    assert!(answer.ends_with("\r\n\r\n/srv"), "{answer}");
}

#[test]
fn a_visitors_query_is_no_argument() {
    let home = with("");
    let program = home.start(&["--place", "here"]);
    assert_eq!(program.ask(&Ask::get("/arguments")).page().1, "2");
    let told = told(cgi(&home, &["--place", "here"], "/arguments"));
    assert!(told.stdout.ends_with("\r\n\r\n0"), "{told:?}");
}

#[test]
fn the_help_shows_it() {
    let help = with("").run(&["--help"]).stdout;
    let line = "  --place DIR                   where its things are [nowhere]\n";
    assert!(help.contains(line), "{help}");
}

#[test]
fn what_is_wrong_with_it_is_a_sentence() {
    for (settings, arguments, sentence) in [
        (
            "",
            &["--place"][..],
            "--place needs a value; write --place DIR",
        ),
        (
            "",
            &["--place", "a", "--place", "b"],
            "--place is given twice; leave one out",
        ),
        (
            "",
            &["--plaec", "a"],
            "--plaec is no flag; did you mean --place?",
        ),
        (
            "place\n",
            &[],
            "line 1: place needs a value; write place DIR",
        ),
        (
            "place a\nplace b\n",
            &[],
            "line 2: place is given twice; leave one out",
        ),
        (
            "plaec a\n",
            &[],
            "line 1: plaec is no flag; did you mean place?",
        ),
    ] {
        let told = with(settings).run(arguments);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.sentence().ends_with(sentence), "{told:?}");
    }
}

/// Whoever mends the line that the 503 asks for cannot restart the process. The one that finds the change is a 503 still.
#[test]
fn a_503_of_the_application_has_changed_settings_read_anew_by_the_same_process() {
    let home = with("# none yet\n");
    let program = home.start(&["--workers", "2"]);
    let page = |place: &str| (200, format!("{place} {}", program.pid()));
    let asked = || {
        let reply = program.ask(&Ask::get("/place"));
        (reply.status, reply.page().1.to_owned())
    };
    (0..3).for_each(|_| assert_eq!(asked().0, 503));
    home.set("place /srv\n");
    poll("the settings to count", || asked() == page("/srv"));
    program.line("the settings have changed: the next request finds them read anew");
    home.set("place /not-read\n");
    (0..3).for_each(|_| assert_eq!(asked(), page("/srv"), "while all goes well"));
}

/// The request that finds them right has come before they counted, and would be answered by the default.
#[test]
fn once_wrong_settings_are_right_nobody_is_answered_without_its_value() {
    let home = with("plaec /srv\n");
    let program = home.start(&[]);
    let asked = || {
        let reply = program.ask(&Ask::get("/flag"));
        (reply.status, reply.page().1.to_owned())
    };
    assert_eq!(asked().0, 503);
    home.set("place /srv\n");
    let mut answer = asked();
    poll("an answer", || {
        if answer.0 == 503 {
            answer = asked();
        }
        answer.0 != 503
    });
    assert_eq!(answer, (200, "/srv".into()));
}

#[test]
fn settings_that_are_mended_wrongly_are_told_and_mended_again() {
    let home = with("plaec /srv\n");
    let program = home.start(&[]);
    let asked = || program.ask(&Ask::get("/place")).status;
    assert_eq!(asked(), 503);
    // Right, but not what the application needs: the gate has opened, and what is behind it looks at the file.
    home.set("place nowhere\n");
    poll("the gate to open", || {
        asked();
        program
            .lines()
            .iter()
            .any(|line| line.contains("the settings are right now"))
    });
    home.set("place /srv\nplaec /srv\n");
    poll("what is wrong with them", || {
        assert_eq!(asked(), 503);
        program
            .lines()
            .iter()
            .any(|line| line.contains("line 2: plaec is no flag"))
    });
    home.set("place /srv\n");
    poll("the settings to count", || asked() == 200);
}

#[test]
fn one_that_is_called_as_another_is_told_at_the_start() {
    let home = with("");
    let mut command = home.command(&[]);
    command.env("ROGUE", "flag-twice");
    let told = told(command);
    assert!(
        told.stderr.contains("there is a flag workers already"),
        "{told:?}"
    );
}
