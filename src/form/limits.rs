//! What a form may hold at the most. Set by applications; `Form` keeps to it, and tests that, in `whole`.

use super::shown;
use crate::error::{Error, Result};

/// What a form may hold, at most. What is more is answered with 413 and told in the log.
///
/// ```
/// # use fcgi::{FormLimits, Request, Response};
/// fn guestbook(req: &mut Request, res: Response) -> fcgi::Result {
///     let form = req.form_with(&FormLimits::default().max_body(64 << 10).max_files(0))?;
///     res.send(form.get("name").unwrap_or("nobody"))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FormLimits {
    pub(super) body: usize,
    fields: usize,
    pub(super) field: usize,
    files: usize,
}

impl Default for FormLimits {
    fn default() -> FormLimits {
        FormLimits {
            body: 2 << 20,
            fields: 1000,
            field: 256 << 10,
            files: 20,
        }
    }
}

impl FormLimits {
    /// The body, in bytes as sent, files included: all of it is held in memory. Default 2 MiB; mod_fcgid's own limit is
    /// 128 KiB (`FcgidMaxRequestLen`), nginx's 1 MiB (`client_max_body_size`).
    ///
    /// Memory grows by doubling, which takes up to three times as much for a moment: by default 6 MiB for each worker that
    /// reads a form. Where there is no memory the answer is a 503, and the program goes on.
    ///
    /// ```
    /// # use fcgi::{FormLimits, testing::request};
    /// let limits = FormLimits::default().max_body(8);
    /// let answer = request("POST", "/").form(&[("a", "1"), ("b", "23456")]).call(|req, res| {
    ///     req.form_with(&limits)?;
    ///     res.send("")
    /// });
    /// assert_eq!(answer.status(), 413);
    /// ```
    pub fn max_body(mut self, bytes: usize) -> FormLimits {
        self.body = bytes;
        self
    }

    /// How many fields the body may have. Default 1,000. The query is bounded by
    /// [`Server::max_params`](crate::Server::max_params), and takes up to 3 MiB more at its default.
    ///
    /// ```
    /// # use fcgi::{FormLimits, testing::request};
    /// let limits = FormLimits::default().max_fields(1);
    /// let answer = request("POST", "/").form(&[("a", "1"), ("b", "23456")]).call(|req, res| {
    ///     req.form_with(&limits)?;
    ///     res.send("")
    /// });
    /// assert_eq!(answer.status(), 413);
    /// ```
    pub fn max_fields(mut self, fields: usize) -> FormLimits {
        self.fields = fields;
        self
    }

    /// One field of the body, name and value together, in bytes. Default 256 KiB.
    ///
    /// ```
    /// # use fcgi::{FormLimits, testing::request};
    /// let limits = FormLimits::default().max_field(4);
    /// let answer = request("POST", "/").form(&[("a", "1"), ("b", "23456")]).call(|req, res| {
    ///     req.form_with(&limits)?;
    ///     res.send("")
    /// });
    /// assert_eq!(answer.status(), 413);
    /// ```
    pub fn max_field(mut self, bytes: usize) -> FormLimits {
        self.field = bytes;
        self
    }

    /// How many files the body may have. Default 20.
    ///
    /// ```
    /// # use fcgi::{FormLimits, testing::request};
    /// let limits = FormLimits::default().max_files(0);
    /// let answer = request("POST", "/").file("f", "a.txt", "hello").call(|req, res| {
    ///     req.form_with(&limits)?;
    ///     res.send("")
    /// });
    /// assert_eq!(answer.status(), 413);
    /// ```
    pub fn max_files(mut self, files: usize) -> FormLimits {
        self.files = files;
        self
    }

    pub(super) fn body_is_over(&self) -> Error {
        over(format!("more than {} bytes (max_body)", self.body))
    }

    pub(super) fn field_is_over(&self, name: &str) -> Error {
        let (name, field) = (shown(name), self.field);
        over(format!(
            "a field of more than {field} bytes (max_field): {name}"
        ))
    }

    /// Whether the body may have this field, behind `before` others.
    pub(super) fn check_field(&self, before: usize, name: &str, value: &str) -> Result<()> {
        if before == self.fields {
            let fields = self.fields;
            return Err(over(format!("more than {fields} fields (max_fields)")));
        }
        if name.len() + value.len() > self.field {
            return Err(self.field_is_over(name));
        }
        Ok(())
    }

    /// Whether the body may have a file, behind `before` others.
    #[cfg(feature = "multipart")]
    pub(super) fn check_file(&self, before: usize) -> Result<()> {
        if before == self.files {
            let files = self.files;
            return Err(over(format!("more than {files} files (max_files)")));
        }
        Ok(())
    }
}

fn over(what: String) -> Error {
    Error::new(
        413,
        format!("the form has {what}; FormLimits sets what it may have"),
    )
}
