//! Chromium as a visitor's hand moves it: by its DevTools, over a pipe. It types, chooses a file and presses with the mouse;
//! scripts only say where things are. `guestbook.rs` and `browser.rs` have one; the latter starts it.

use std::cell::Cell;
use std::fs;
use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::folder::Folder;
use crate::process::{Process, until};
use crate::{Outcome, browser, ensure};

pub struct Window {
    process: Process,
    /// Closed, it ends the browser.
    commands: PipeWriter,
    /// What it says goes to this file.
    said: PathBuf,
    session: String,
    last: Cell<u32>,
}

impl Window {
    pub fn open(folder: &Folder) -> Outcome<Window> {
        let said = folder.path("log/devtools.log");
        let (reader, commands) = std::io::pipe().map_err(|e| format!("cannot make a pipe: {e}"))?;
        // Where it reads commands and where it answers them: fds 3 and 4.
        let shell = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>"$0""#;
        let mut command = browser::command(folder, shell)?;
        command.arg("--remote-debugging-pipe").arg("about:blank");
        let process = Process::start_on(reader, "chromium", &mut command, &said)?;
        let mut window = Window {
            process,
            commands,
            said,
            session: String::new(),
            last: Cell::new(0),
        };
        let target = until("chromium has a window", || {
            let targets = window.ask("Target.getTargets", "").ok()?;
            let mut targets = targets.split(r#"{"targetId":""#).skip(1);
            let page = targets.find(|target| target.contains(r#""type":"page""#))?;
            page.split_once('"').map(|(id, _)| id.to_owned())
        })?;
        let parameters = format!(r#""targetId":"{target}","flatten":true"#);
        let attached = window.ask("Target.attachToTarget", &parameters)?;
        let session = field(&attached, "sessionId").ok_or("chromium has no session")?;
        window.session = session.to_owned();
        Ok(window)
    }

    pub fn go(&self, url: &str) -> Outcome {
        self.ask("Page.navigate", &format!(r#""url":"{url}""#))?;
        self.sees(&format!(
            "location.href == '{url}' && document.readyState == 'complete'"
        ))
    }

    /// Waits until the expression is true on the page that is there then.
    pub fn sees(&self, expression: &str) -> Outcome {
        let mut last = String::new();
        let seen = until(expression, || {
            match self.value(&format!("!!({expression})")) {
                Ok(value) if value == "true" => Some(()),
                Ok(_) => {
                    last = self.value("document.body.innerText").unwrap_or_default();
                    None
                }
                // It is between two pages.
                Err(_) => None,
            }
        });
        seen.map_err(|why| format!("{why}; the page: {last:?}"))
    }

    /// An expression's value, as text.
    pub fn value(&self, expression: &str) -> Outcome<String> {
        // Escaped, no character of it means anything in JSON.
        let expression = format!("encodeURIComponent({expression})");
        let parameters = format!(
            r#""expression":"{}""#,
            expression.replace('\\', r"\\").replace('"', r#"\""#)
        );
        let answer = self.ask("Runtime.evaluate", &parameters)?;
        let value = field(&answer, "value").filter(|_| !answer.contains("exceptionDetails"));
        let value = value.ok_or_else(|| format!("{expression}: {answer}"))?;
        let text = percent_decode_str(value).decode_utf8();
        text.map(|text| text.into_owned())
            .map_err(|e| format!("{expression}: {e}"))
    }

    /// Presses the left button over what the selector finds.
    pub fn press(&self, selector: &str) -> Outcome {
        let place = format!(
            "(() => {{ const it = document.querySelector('{selector}'); it.scrollIntoView({{block: 'center'}}); \
             const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2].join() }})()"
        );
        let place = self.value(&place)?;
        let (x, y) = place
            .split_once(',')
            .ok_or_else(|| format!("{selector} is at {place}"))?;
        for kind in ["mousePressed", "mouseReleased"] {
            let parameters =
                format!(r#""type":"{kind}","x":{x},"y":{y},"button":"left","clickCount":1"#);
            self.ask("Input.dispatchMouseEvent", &parameters)?;
        }
        Ok(())
    }

    /// Presses what leads to another page, or to this one once more, and waits for that.
    pub fn press_and_go(&self, selector: &str) -> Outcome {
        let before = self.value("performance.timeOrigin")?;
        self.press(selector)?;
        self.sees(&format!(
            "performance.timeOrigin != {before} && document.readyState == 'complete'"
        ))
    }

    /// Types the text, which has no quote and no backslash, into what the selector finds.
    pub fn type_into(&self, selector: &str, text: &str) -> Outcome {
        self.press(selector)?;
        self.sees(&format!(
            "document.activeElement == document.querySelector('{selector}')"
        ))?;
        self.ask("Input.insertText", &format!(r#""text":"{text}""#))
            .map(drop)
    }

    /// Chooses a file, which the dialogue of a real window would.
    pub fn choose(&self, selector: &str, file: &Path) -> Outcome {
        let expression = format!(r#""expression":"document.querySelector('{selector}')""#);
        let found = self.ask("Runtime.evaluate", &expression)?;
        let object = field(&found, "objectId").ok_or_else(|| format!("no {selector}: {found}"))?;
        let parameters = format!(r#""files":["{}"],"objectId":"{object}""#, file.display());
        self.ask("DOM.setFileInputFiles", &parameters).map(drop)
    }

    /// The page as a window of that size shows it, as PNG.
    pub fn picture(&self, width: u32, height: u32) -> Outcome<Vec<u8>> {
        let size =
            format!(r#""width":{width},"height":{height},"deviceScaleFactor":1,"mobile":false"#);
        self.ask("Emulation.setDeviceMetricsOverride", &size)?;
        self.ask("Emulation.setScrollbarsHidden", r#""hidden":true"#)?;
        let answer = self.ask("Page.captureScreenshot", "")?;
        let data = field(&answer, "data").ok_or_else(|| format!("no picture: {answer}"))?;
        Ok(from_base64(data))
    }

    pub fn close(mut self) -> Outcome {
        drop(self.commands);
        self.process.end()?;
        self.process.stop()
    }

    /// Gives a command, and waits for its answer.
    fn ask(&self, method: &str, parameters: &str) -> Outcome<String> {
        let id = self.last.get() + 1;
        self.last.set(id);
        let session = match &*self.session {
            "" => String::new(),
            session => format!(r#","sessionId":"{session}""#),
        };
        let command = format!(
            "{{\"id\":{id},\"method\":\"{method}\",\"params\":{{{parameters}}}{session}}}\0"
        );
        (&self.commands)
            .write_all(command.as_bytes())
            .map_err(|e| format!("chromium does not listen: {e}"))?;
        let start = format!("{{\"id\":{id},");
        let answer = until(&format!("chromium answers {command:?}"), || {
            let said = fs::read(&self.said).unwrap_or_default();
            let end = said.iter().rposition(|&byte| byte == 0)?;
            let said = String::from_utf8_lossy(&said[..end]).into_owned();
            said.split('\0')
                .find(|answer| answer.starts_with(&start))
                .map(str::to_owned)
        })?;
        ensure!(
            !answer.starts_with(&format!("{start}\"error\"")),
            "chromium: {answer}"
        );
        Ok(answer)
    }
}

/// The first text of this name.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// What the browser says is well formed.
fn from_base64(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|byte| {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(u32::from(value))
    });
    let digits: Vec<u32> = digits.collect();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = (0..4).fold(0, |bits, at| bits << 6 | group.get(at).unwrap_or(&0));
        let bytes = bits.to_be_bytes();
        bytes[1..group.len()].to_vec()
    });
    groups.collect()
}
