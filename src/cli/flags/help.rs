//! The screens of help that show the flags of serving. The commands have their own.

use super::{Flag, all};
use crate::server::Server;

/// One screen of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Topic {
    /// How the program is started, and the commonest flags.
    Serve,
    /// Processes, sockets, logs.
    Running,
    /// The limits of time and size.
    Limits,
    Conf,
    Check,
    Get,
    Bench,
    /// The command `serve`.
    #[cfg(all(feature = "toolbox", feature = "dev"))]
    Front,
}

/// The screen of `--help`: how the program is started, its commands, and the commonest flags.
pub(in crate::cli) fn serving(name: &str, server: &mut Server) -> String {
    let mut text =
        format!("Usage: {name} [FLAG]...    serves; web servers start it without flags\n");
    if cfg!(feature = "toolbox") {
        text += &format!(
            "       {name} conf SERVER     prints a web server's configuration: help conf\n       \
             {name} check           what is wrong with it here: help check\n       \
             {name} get /path       one request, without any server: help get\n       \
             {name} bench           how fast an application answers: help bench\n"
        );
    }
    if cfg!(all(feature = "toolbox", feature = "dev")) {
        text +=
            &format!("       {name} serve           a browser sees any application: help serve\n");
    }
    text += &lines(server, Topic::Serve);
    text += "  --help, --version\n";
    text += &format!(
        "  {:<29} processes, sockets and logs: more flags\n",
        "help running"
    );
    text += &format!("  {:<29} the limits, which are flags too\n", "help limits");
    text += &format!("The file .ht.{name} has the same flags, one a line, without dashes.\n");
    text
}

/// The screen of the limits of time and size.
pub(in crate::cli) fn limits(name: &str, server: &mut Server) -> String {
    format!(
        "{name} limits everything that grows and everything that waits:\n{}\
         What is not given is as in brackets. {name} --help shows the other flags.\n",
        lines(server, Topic::Limits)
    )
}

/// The screen of processes, sockets and logs.
pub(in crate::cli) fn running(name: &str, server: &mut Server) -> String {
    format!(
        "How {name} runs, who may connect, and what it tells:\n{}\
         --log-level, here or in the file, counts before RUST_LOG. SIGHUP opens the\n\
         access log anew; processes under a parent are replaced; a terminal hangs up.\n\
         What is not given is as in brackets. {name} --help shows the other flags.\n\
         Exit status: 0 asked to stop, and did in time; 1 serving failed; 2 started\n\
         wrongly, nothing was touched. Commands: in the help of each.\n",
        lines(server, Topic::Running)
    )
}

/// A line for each flag of this screen, with its default.
fn lines(server: &mut Server, topic: Topic) -> String {
    let wanted = all().filter(|flag| flag.is_built_in() && flag.topic == topic);
    let line = |flag: &Flag| {
        let left = format!("--{} {}", flag.name, flag.value);
        let default = flag.default(server);
        format!("  {left:<29} {}{default}\n", flag.help)
    };
    wanted.map(line).collect()
}

#[cfg(all(test, feature = "toolbox", feature = "dev"))]
mod tests {
    use super::*;
    use crate::cli::flags::FLAGS;

    #[test]
    fn help_fits_a_screen() {
        let serving = serving("app.fcgi", &mut Server::new());
        let limits = limits("app.fcgi", &mut Server::new());
        let running = running("app.fcgi", &mut Server::new());
        for help in [&serving, &running, &limits] {
            assert!(help.lines().count() <= 24, "{help}");
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
        for default in ["[256K]", "[unlimited]", "[30]"] {
            assert!(limits.contains(default), "{limits}");
        }
        for flag in FLAGS {
            let name = format!("--{} ", flag.name);
            let screens = [&serving, &running, &limits].map(|help| help.contains(&name));
            assert_eq!(screens.iter().filter(|&&has| has).count(), 1, "{name}");
        }
    }
}
