//! From bytes to tensors: the form of the header, then what it says.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::{
    at_most, check_name, checksum, size_in_bytes, Dtype, File, Limits, Tensor, CHECKSUM, CHECKSUM_DIGITS,
    CHECKSUM_PREFIX, LENGTH_BYTES, METADATA,
};
use crate::json::Cursor;
use crate::{clip, quote, reserved, Error};

const FORMAT: &str = "format";
const CELLSTATE: &str = "cellstate";
/// Tensors that [`Error::NotCellstate`] lists.
const LISTED_TENSORS: usize = 6;

/// One tensor as the header describes it: nothing is checked but the form.
struct Entry {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    begin: u64,
    end: u64,
}

/// A header of valid form. What it says is not yet compared with the payload.
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, String>,
    /// Where the text of `metadata["checksum"]` lies in the file.
    checksum: Option<Range<usize>>,
    entries: Vec<Entry>,
    /// Where the payload starts in the file.
    payload: usize,
}

impl Header {
    pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Header, Error> {
        let found = bytes.len() as u64;
        at_most(|| "size of the file in bytes".to_owned(), found, limits.file_bytes, "file_bytes")?;
        let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
            return Err(Error::Truncated { found, expected: LENGTH_BYTES as u64, tensor: None });
        };
        let length = u64::from_le_bytes(*length);
        at_most(|| "length of the header in bytes".to_owned(), length, limits.header_bytes, "header_bytes")?;
        let header = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let Some(header) = header else {
            let expected = length.saturating_add(LENGTH_BYTES as u64);
            return Err(Error::Truncated { found, expected, tensor: None });
        };
        let text = std::str::from_utf8(header).map_err(|error| Error::Json {
            place: "header".to_owned(),
            offset: (LENGTH_BYTES + error.valid_up_to()) as u64,
            problem: "expected UTF-8, found other bytes".to_owned(),
        })?;
        if !text.starts_with('{') {
            return Err(Error::Json {
                place: "header".to_owned(),
                offset: LENGTH_BYTES as u64,
                problem: "expected '{' as its first byte: this is not a safetensors file".to_owned(),
            });
        }
        let mut parser = Parser {
            cursor: Cursor::new(text, LENGTH_BYTES),
            limits,
            header: Header {
                metadata: BTreeMap::new(),
                checksum: None,
                entries: Vec::new(),
                payload: LENGTH_BYTES + header.len(),
            },
        };
        parser.header()?;
        Ok(parser.header)
    }

    pub(super) fn is_cellstate(&self) -> bool {
        self.metadata.get(FORMAT).is_some_and(|format| format == CELLSTATE)
    }

    /// Tensors and metadata in short, for a person who opened the wrong file.
    pub(super) fn contents(&self) -> String {
        let mut contents = match self.entries.len() {
            1 => "1 tensor".to_owned(),
            count => format!("{count} tensors"),
        };
        for (index, entry) in self.entries.iter().take(LISTED_TENSORS).enumerate() {
            contents += if index == 0 { " (" } else { ", " };
            contents += &format!("{} {} {:?}", quote(&entry.name), clip(&entry.dtype).escape_debug(), entry.shape);
        }
        match self.entries.len() {
            0 => {}
            1..=LISTED_TENSORS => contents.push(')'),
            count => contents += &format!(" and {} more)", count - LISTED_TENSORS),
        }
        match self.metadata.get(FORMAT) {
            Some(format) => contents += &format!(" and metadata field \"format\" = {}", quote(format)),
            None => contents += " and no metadata field \"format\"",
        }
        contents
    }

    /// The file, if its checksum is right. A missing end says more than a wrong checksum, a wrong
    /// checksum more than the nonsense that damage leaves in the header.
    pub(super) fn into_verified_file(self, bytes: &[u8]) -> Result<File<'_>, Error> {
        let verified = self.verify(bytes);
        match self.into_file(bytes) {
            Err(error @ (Error::Truncated { .. } | Error::TrailingBytes { .. })) => Err(error),
            file => verified.and(file),
        }
    }

    fn verify(&self, bytes: &[u8]) -> Result<(), Error> {
        let malformed = |found: String| Error::Metadata {
            field: CHECKSUM.to_owned(),
            expected: "\"sha256:\" and 64 lower-case hexadecimal digits".to_owned(),
            found,
        };
        let Some(place) = self.checksum.clone() else {
            return Err(malformed("missing".to_owned()));
        };
        let stated = &bytes[place.clone()];
        let Some(stated) = stated.strip_prefix(CHECKSUM_PREFIX.as_bytes()).filter(|digits| {
            digits.len() == CHECKSUM_DIGITS && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        }) else {
            return Err(malformed(quote(&String::from_utf8_lossy(&stated[..stated.len().min(256)]))));
        };
        let computed = checksum(bytes, place.start + CHECKSUM_PREFIX.len());
        if stated != computed.as_bytes() {
            return Err(Error::Checksum { stated: String::from_utf8_lossy(stated).into_owned(), computed });
        }
        Ok(())
    }

    /// The tensors, after comparing what the header says with itself and with the payload.
    pub(super) fn into_file(self, bytes: &[u8]) -> Result<File<'_>, Error> {
        let start = self.payload as u64;
        let payload = &bytes[self.payload..];
        let mut checked = reserved(self.entries.len(), "the list of tensors")?;
        for entry in self.entries {
            let wrong = |problem: String| Error::Tensor { tensor: entry.name.clone(), problem };
            let dtype = Dtype::from_name(&entry.dtype)
                .ok_or_else(|| Error::Dtype { tensor: entry.name.clone(), found: clip(&entry.dtype) })?;
            let size = size_in_bytes(&entry.shape, dtype).map_err(wrong)?;
            let Entry { begin, end, .. } = entry;
            if end.checked_sub(begin) != Some(size) {
                return Err(wrong(format!(
                    "has data_offsets [{begin}, {end}], expected {size} bytes between them for {} {:?}",
                    dtype.name(),
                    entry.shape
                )));
            }
            checked.push((entry, dtype));
        }
        checked.sort_unstable_by(|(left, _), (right, _)| (left.begin, &left.name).cmp(&(right.begin, &right.name)));
        let mut expected = 0;
        for (index, (entry, _)) in checked.iter().enumerate() {
            if entry.begin > expected {
                return Err(Error::Gap {
                    tensor: entry.name.clone(),
                    found: start.saturating_add(entry.begin),
                    expected: start.saturating_add(expected),
                });
            }
            if entry.begin < expected {
                return Err(Error::Overlap {
                    tensor: entry.name.clone(),
                    other: checked[index - 1].0.name.clone(),
                    found: start.saturating_add(entry.begin),
                    expected: start.saturating_add(expected),
                });
            }
            expected = entry.end;
        }
        let sizes = (bytes.len() as u64, start.saturating_add(expected));
        if sizes.0 < sizes.1 {
            let cut = |(entry, _): &&(Entry, Dtype)| start.saturating_add(entry.end) > sizes.0;
            let tensor = checked.iter().find(cut).map(|(entry, _)| entry.name.clone());
            return Err(Error::Truncated { found: sizes.0, expected: sizes.1, tensor });
        }
        if sizes.0 > sizes.1 {
            return Err(Error::TrailingBytes { found: sizes.0, expected: sizes.1 });
        }
        // From here on every offset is at most the length of the payload and every dimension at
        // most its tensor's size: both fit in usize.
        let mut tensors = reserved(checked.len(), "the list of tensors")?;
        for (entry, dtype) in checked {
            tensors.push(Tensor {
                name: entry.name,
                dtype,
                shape: entry.shape.iter().map(|&dimension| dimension as usize).collect(),
                data: &payload[entry.begin as usize..entry.end as usize],
            });
        }
        tensors.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        Ok(File { metadata: self.metadata, tensors })
    }
}

/// Fills a [`Header`] from its text.
struct Parser<'a> {
    cursor: Cursor<'a>,
    limits: &'a Limits,
    header: Header,
}

impl Parser<'_> {
    fn header(&mut self) -> Result<(), Error> {
        let mut names = HashSet::new();
        self.cursor.expect(b'{', "start of the header")?;
        if !self.cursor.accept(b'}') {
            loop {
                let offset = self.cursor.offset();
                let name = self.name("tensor")?;
                self.cursor.expect(b':', "after a tensor name")?;
                if !names.insert(name.clone()) {
                    return Err(Error::Duplicate { what: "tensor", name, offset: Some(offset) });
                }
                if name == METADATA {
                    self.metadata()?;
                } else {
                    let tensors = self.header.entries.len() as u64 + 1;
                    at_most(|| "number of tensors".to_owned(), tensors, self.limits.tensors as u64, "tensors")?;
                    self.entry(name)?;
                }
                if !self.cursor.more(b'}', "end of the header")? {
                    break;
                }
            }
        }
        self.cursor.end()
    }

    /// The name of a tensor or of a metadata field (`what`).
    fn name(&mut self, what: &'static str) -> Result<String, Error> {
        let offset = self.cursor.offset();
        let (name, _) = self.cursor.string(&format!("name of a {what}"))?;
        check_name(what, &name, self.limits, Some(offset))?;
        Ok(name)
    }

    fn metadata(&mut self) -> Result<(), Error> {
        self.cursor.expect(b'{', "start of __metadata__")?;
        if self.cursor.accept(b'}') {
            return Ok(());
        }
        loop {
            let offset = self.cursor.offset();
            let field = self.name("metadata field")?;
            if self.header.metadata.contains_key(&field) {
                return Err(Error::Duplicate { what: "metadata field", name: field, offset: Some(offset) });
            }
            let fields = self.header.metadata.len() as u64 + 1;
            let limit = self.limits.metadata_fields as u64;
            at_most(|| "number of metadata fields".to_owned(), fields, limit, "metadata_fields")?;
            self.cursor.expect(b':', "after a metadata field")?;
            let (value, place) = self.cursor.string("value of a metadata field")?;
            if field == CHECKSUM {
                self.header.checksum = Some(place);
            }
            self.header.metadata.insert(field, value);
            if !self.cursor.more(b'}', "end of __metadata__")? {
                return Ok(());
            }
        }
    }

    fn entry(&mut self, name: String) -> Result<(), Error> {
        let wrong = |problem: String| Error::Tensor { tensor: name.clone(), problem };
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        self.cursor.expect(b'{', "start of a tensor")?;
        if !self.cursor.accept(b'}') {
            loop {
                let offset = self.cursor.offset();
                let field = self.cursor.string("field of a tensor")?.0;
                self.cursor.expect(b':', "after a field of a tensor")?;
                let repeated = match field.as_str() {
                    "dtype" => dtype.replace(self.cursor.string("dtype")?.0).is_some(),
                    "shape" => {
                        let limit = self.limits.rank;
                        let numbers = self.numbers(limit, "shape")?.ok_or_else(|| Error::TooLarge {
                            what: format!("rank of tensor {}", quote(&name)),
                            found: limit as u64 + 1,
                            limit: limit as u64,
                            limit_name: "rank",
                        })?;
                        shape.replace(numbers).is_some()
                    }
                    "data_offsets" => {
                        let numbers = self.numbers(2, "data_offsets")?.unwrap_or_default();
                        let &[begin, end] = numbers.as_slice() else {
                            return Err(wrong(format!(
                                "has data_offsets at byte {offset} that are not two numbers, expected [begin, end]"
                            )));
                        };
                        offsets.replace((begin, end)).is_some()
                    }
                    _ => {
                        return Err(wrong(format!(
                            "has a field {} at byte {offset}, expected data_offsets, dtype and shape only",
                            quote(&field)
                        )))
                    }
                };
                if repeated {
                    return Err(wrong(format!("has a second {field} at byte {offset}, expected one")));
                }
                if !self.cursor.more(b'}', "end of a tensor")? {
                    break;
                }
            }
        }
        let missing = |field: &str| wrong(format!("has no {field}, expected data_offsets, dtype and shape"));
        let dtype = dtype.ok_or_else(|| missing("dtype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let (begin, end) = offsets.ok_or_else(|| missing("data_offsets"))?;
        // Of a dtype that is not supported only the beginning will be shown.
        self.header.entries.push(Entry { dtype: clip(&dtype), name, shape, begin, end });
        Ok(())
    }

    /// A list of whole numbers; nothing if it is longer than `limit`.
    fn numbers(&mut self, limit: usize, meaning: &str) -> Result<Option<Vec<u64>>, Error> {
        let mut numbers = Vec::new();
        self.cursor.expect(b'[', meaning)?;
        if self.cursor.accept(b']') {
            return Ok(Some(numbers));
        }
        while numbers.len() < limit {
            numbers.push(self.cursor.whole_number(meaning)?);
            if !self.cursor.more(b']', meaning)? {
                return Ok(Some(numbers));
            }
        }
        Ok(None)
    }
}
