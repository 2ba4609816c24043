//! The names and values of a form, packed: what `Form` keeps of the query and of the body. Tested with it, in `whole`.

use super::limits::FormLimits;
use super::no_memory;
use super::urlencoded::decode_pairs;
use crate::error::Result;

/// Names and values, one behind the other in one piece of memory: it takes what came, and little more, however many
/// there are.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: String,
    /// Where each name ends, and each value. A name begins where the value before it ended.
    ends: Vec<(usize, usize)>,
}

impl Fields {
    /// Decodes a urlencoded body, which becomes the memory that the names and values lie in.
    pub(super) fn of_urlencoded(mut body: Vec<u8>, limits: &FormLimits) -> Result<Fields> {
        let (mut ends, mut end) = (Vec::new(), 0);
        decode_pairs(&mut body, |name, value| {
            limits.check_field(ends.len(), name, value)?;
            ends.try_reserve(1).map_err(|_| no_memory())?;
            let end_of_name = end + name.len();
            end = end_of_name + value.len();
            ends.push((end_of_name, end));
            Ok(())
        })?;
        let text = String::from_utf8(body).expect("BUG: each name and value is UTF-8");
        Ok(Fields { text, ends })
    }

    pub(super) fn push(&mut self, name: &str, value: &str) -> Result<()> {
        let len = name.len() + value.len();
        self.text.try_reserve(len).map_err(|_| no_memory())?;
        self.ends.try_reserve(1).map_err(|_| no_memory())?;
        self.text.push_str(name);
        let end_of_name = self.text.len();
        self.text.push_str(value);
        self.ends.push((end_of_name, self.text.len()));
        Ok(())
    }

    #[cfg(feature = "multipart")]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        let spans = starts.zip(&self.ends);
        spans.map(|(start, &(name, end))| (&self.text[start..name], &self.text[name..end]))
    }
}
