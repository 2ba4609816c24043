//! An init script, for a system without systemd and supervisor. Called by [`text`](super::text).

use super::escape::in_shell;
use super::site::{Site, WEB_USER};
use crate::cli::words::{Words, words};

/// The script. It never removes a socket: the program makes and removes its own, and takes over one that a crash has left.
/// `start-stop-daemon` is used where it is like Debian's: it leaves no other process above the program. Else `su` is, which stays
/// and waits for what it has started.
pub(super) fn text(site: &Site) -> Words {
    let (path, name, file) = (site.path(), site.short_name(), site.file_name());
    let upstream = site.upstream_or_default();
    let listen = in_shell(upstream.listen());
    let folder = match site.own_folder() {
        Some(folder) => in_shell(folder),
        None => "",
    };
    let program = in_shell(path);
    let arguments = site.arguments(site.processes);
    let arguments: Vec<Words> = arguments.iter().map(|word| in_shell(word)).collect();
    let longest = site.last_wait(10);
    let tries = longest * 10;
    let arguments = arguments.join(" ");
    words!(
        r#"#!/bin/sh
# {path} where neither systemd nor supervisor starts it: /etc/init.d/{name} (mode 755). Then, on Debian:
#   update-rc.d {name} defaults && /etc/init.d/{name} start
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: FastCGI application {file}
### END INIT INFO

program={program}
# The web server's user on Debian; elsewhere it is nginx, http or apache. The socket is for it alone.
user={WEB_USER}
# Made if it is missing, and the user's: /run is empty after a start of the machine. Empty: none is made.
folder={folder}
pidfile=/run/{name}.pid
log=/var/log/{name}.log

# What the program is started with, behind a command that comes before. That is exec for one in the background: a
# shell that waits for it would keep the output of this script open.
run() {{
    "$@" --listen {listen} {arguments} </dev/null >>"$log" 2>&1
}}

# Whether the number in the pid file is a running program's, and this one's: it may be another's by now. The name that
# it was started by stays when its file is replaced.
is_running() {{
    pid=$(cat "$pidfile" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    # Without /proc nobody can tell.
    [ -r "/proc/$pid/cmdline" ] || return 0
    [ "$(tr '\000' '\n' <"/proc/$pid/cmdline" | head -n 1)" = "$program" ]
}}

# Waits for as long as {longest} s until "$@" is so.
await() {{
    tries=0
    until "$@"; do
        [ "$tries" -lt {tries} ] || return 1
        tries=$((tries + 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
}}

has_ended() {{
    ! is_running
}}

start() {{
    if is_running; then
        echo "{name} runs already, as $pid"
        return 0
    fi
    if [ -n "$folder" ] && [ ! -d "$folder" ]; then
        mkdir -p "$folder" && chown "$user" "$folder" || return 1
    fi
    rm -f "$pidfile"
    if [ "$(id -u)" -ne 0 ]; then
        # No other user can be had. In a session of its own it does not end with the terminal.
        run exec setsid sh -c 'echo $$ >"$0" && exec "$@"' "$pidfile" "$program" &
    elif start-stop-daemon --help 2>/dev/null | grep -q -e --no-close; then
        run start-stop-daemon --start --quiet --background --no-close --make-pidfile --pidfile "$pidfile" \
            --chuid "$user" --startas "$program" --
    else
        # The user may not write where the pid file is: fd 3 may.
        run exec su -s /bin/sh -c 'echo $$ >&3 && exec 3>&- && exec "$0" "$@"' -- "$user" "$program" 3>"$pidfile" &
    fi
    # What is wrong with its settings ends it at once.
    if ! await is_running || ! sleep 1 || ! is_running; then
        echo "{name} did not start; the end of $log may say why:" >&2
        tail -n 3 "$log" >&2
        return 1
    fi
}}

# Running requests get --grace, 5 s unless set; then it ends itself.
stop() {{
    if is_running; then
        kill -TERM "$pid"
        if ! await has_ended; then
            echo "{name} still runs, as $pid; kill -KILL $pid ends it" >&2
            return 1
        fi
    fi
    rm -f "$pidfile"
}}

case ${{1:-}} in
    start) start ;;
    stop) stop ;;
    # Visitors are refused in between. Not with the parent that --processes makes, and reload.
    restart | force-reload) stop && start ;;
    # SIGHUP: a new generation where there is --processes, else log files are opened anew.
    reload) is_running && kill -HUP "$pid" ;;
    status)
        if is_running; then
            echo "{name} runs, as $pid"
        elif [ -e "$pidfile" ]; then
            echo "{name} has ended without being told to"
            exit 1
        else
            echo "{name} does not run"
            exit 3
        fi
        ;;
    *)
        echo "usage: $0 start|stop|restart|reload|status" >&2
        exit 2
        ;;
esac
"#
    )
}
