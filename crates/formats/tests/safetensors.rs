//! The container: what is written, what is read, what is refused and with which words.

mod common;

use std::collections::BTreeMap;

use cellstate_formats::safetensors::{read, read_plain, write, Dtype, Limits, Tensor};
use cellstate_formats::Error;
use common::{cases, file};
use proptest::prelude::*;

fn tensor<'a>(name: &str, dtype: Dtype, shape: &[usize], data: &'a [u8]) -> Tensor<'a> {
    Tensor { name: name.to_owned(), dtype, shape: shape.to_vec(), data }
}

fn cellstate() -> BTreeMap<String, String> {
    BTreeMap::from([("format".to_owned(), "cellstate".to_owned())])
}

fn plain_error(bytes: &[u8]) -> Error {
    read_plain(bytes, &Limits::default()).unwrap_err()
}

/// The checksum is what Python's hashlib gives for the same bytes.
#[test]
fn the_layout_is_as_documented() {
    let tensors = [
        tensor("document.z", Dtype::U8, &[3], b"abc"),
        tensor("b", Dtype::F32, &[], &[1, 2, 3, 4]),
        tensor("a", Dtype::U8, &[1], b"u"),
        tensor("c", Dtype::F32, &[1, 2], &[5, 6, 7, 8, 9, 10, 11, 12]),
    ];
    let bytes = write(&tensors, &cellstate()).unwrap();
    let header = "{\"__metadata__\":{\"checksum\":\"sha256:dc1ed80170179d524a3b4ed74d9011b91565053ea70d174e6049b6098c401d30\",\"format\":\"cellstate\"},\
        \"a\":{\"data_offsets\":[12,13],\"dtype\":\"U8\",\"shape\":[1]},\
        \"b\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[]},\
        \"c\":{\"data_offsets\":[4,12],\"dtype\":\"F32\",\"shape\":[1,2]},\
        \"document.z\":{\"data_offsets\":[13,16],\"dtype\":\"U8\",\"shape\":[3]}}";
    let padded = header.to_owned() + &" ".repeat(header.len().next_multiple_of(8) - header.len());
    let expected = file(&padded, b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0cuabc");
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&expected));
    assert_eq!(bytes, expected);
    assert_eq!(bytes, common::seal(bytes.clone()));
}

#[test]
fn values_start_at_a_multiple_of_four_in_the_file() {
    for length in 1..20 {
        let name = "n".repeat(length);
        let data = [0; 8];
        let tensors = [tensor("document.x", Dtype::U8, &[3], b"{ }"), tensor(&name, Dtype::F32, &[2], &data)];
        let bytes = write(&tensors, &cellstate()).unwrap();
        let file = read(&bytes, &Limits::default()).unwrap();
        let found = file.tensor(&name).unwrap();
        let start = found.data.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(start % 4, 0);
        assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
    }
}

#[test]
fn the_order_of_tensors_does_not_change_the_bytes() {
    let a = tensor("a", Dtype::U8, &[2], b"12");
    let b = tensor("b", Dtype::F32, &[1], b"1234");
    let first = write(&[a.clone(), b.clone()], &cellstate()).unwrap();
    assert_eq!(first, write(&[b, a], &cellstate()).unwrap());
}

#[test]
fn an_old_checksum_in_the_metadata_is_replaced() {
    let mut metadata = cellstate();
    let first = write(&[], &metadata).unwrap();
    metadata.insert("checksum".to_owned(), "sha256:old".to_owned());
    assert_eq!(write(&[], &metadata).unwrap(), first);
}

#[test]
fn a_file_of_another_program_is_described() {
    let header = r#"{"__metadata__":{"format":"pt"},"embedding.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#;
    let bytes = file(header, &[0; 16]);
    let error = read(&bytes, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::NotCellstate { .. }));
    assert_eq!(
        error.to_string(),
        "expected a cellstate model, found a safetensors file with 2 tensors (\"embedding.weight\" BF16 [2, 3], \"b\" F32 [1]) and metadata field \"format\" = \"pt\""
    );
    let terminal = r#"{"a\u001b[2J":{"dtype":"F\n8","shape":[],"data_offsets":[0,1]}}"#;
    let error = read(&file(terminal, b"1"), &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"expected a cellstate model, found a safetensors file with 1 tensor ("a\u{1b}[2J" F\n8 []) and no metadata field "format""#
    );
    let error = read(&file("{}", b""), &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a cellstate model, found a safetensors file with 0 tensors and no metadata field \"format\""
    );
}

#[test]
fn a_file_of_another_program_can_be_read_plainly() {
    let header = r#" {"w":{"dtype":"F32","shape":[2],"data_offsets":[3,11]},
        "\u0062\ud83d\udc1d":{"data_offsets":[0,3],"shape":[3],"dtype":"U8"}}   "#;
    let bytes = file(header.trim_start(), b"abc\x00\x00\x80\x3f\x00\x00\x00\xc0");
    let found = read_plain(&bytes, &Limits::default()).unwrap();
    assert!(found.metadata.is_empty());
    assert_eq!(
        found.tensors,
        [tensor("b🐝", Dtype::U8, &[3], b"abc"), tensor("w", Dtype::F32, &[2], b"\x00\x00\x80\x3f\x00\x00\x00\xc0")]
    );
    assert_eq!(found.tensor("w").unwrap().values().unwrap(), [1.0, -2.0]);
    assert!(found.tensor("x").is_none());
    assert_eq!(
        found.tensor("b🐝").unwrap().values().unwrap_err().to_string(),
        "tensor \"b🐝\" has dtype U8, expected F32"
    );
}

#[test]
fn a_plain_read_still_verifies_a_cellstate_file() {
    let mut bytes = write(&[tensor("a", Dtype::U8, &[1], b"u")], &cellstate()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(plain_error(&bytes), Error::Checksum { .. }));
    let without = file(r#"{"__metadata__":{"format":"cellstate"}}"#, b"");
    assert!(matches!(plain_error(&without), Error::Metadata { .. }));
}

#[test]
fn hostile_headers_are_refused_with_the_reason() {
    let entry = |fields: &str| format!("{{\"a\":{{{fields}}}}}");
    let f32 =
        |shape: &str, offsets: &str| entry(&format!("\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{offsets}"));
    let two = |first: &str, second: &str| {
        format!(
            "{{\"a\":{{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":{first}}},\"b\":{{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":{second}}}}}"
        )
    };
    let wide = "x".repeat(257);
    let many: Vec<String> = (0..4097)
        .map(|i| format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{i},{}]}}", i + 1))
        .collect();
    let fields: Vec<String> = (0..1025).map(|i| format!("\"{i}\":\"\"")).collect();
    let deep = "[".repeat(100_000);
    let long_dtype = entry(&format!("\"dtype\":\"{}\",\"shape\":[1],\"data_offsets\":[0,1]", "F".repeat(1000)));

    // Header, length of the payload, the whole message.
    let table: Vec<(String, usize, String)> = vec![
        // The form of the header.
        (String::new(), 0, "header is not valid at byte 8: expected '{' as its first byte: this is not a safetensors file".into()),
        (" {}".into(), 0, "header is not valid at byte 8: expected '{' as its first byte: this is not a safetensors file".into()),
        ("{".into(), 0, "header is not valid at byte 9: expected a string (name of a tensor), found the end of the header".into()),
        ("{}\n".into(), 0, "header is not valid at byte 10: expected spaces up to the end of the header, found \"\\n\"".into()),
        ("{}{}".into(), 0, "header is not valid at byte 10: expected spaces up to the end of the header, found \"{\"".into()),
        ("{\"a\":1}".into(), 0, "header is not valid at byte 13: expected '{' (start of a tensor), found \"1\"".into()),
        (format!("{{\"a\":{deep}"), 0, "header is not valid at byte 13: expected '{' (start of a tensor), found \"[\"".into()),
        (format!("{{{deep}"), 0, "header is not valid at byte 9: expected a string (name of a tensor), found \"[\"".into()),
        (f32("[[1]]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number (shape), found \"[\"".into()),
        ("{\"a\":{},}".into(), 0, "tensor \"a\" has no dtype, expected data_offsets, dtype and shape".into()),
        ("{\"a\u{1}\":{}}".into(), 0, "header is not valid at byte 11: expected a character of a string or its closing '\"', found \"\\u{1}\"".into()),
        ("{\"a".into(), 0, "header is not valid at byte 11: expected a character of a string or its closing '\"', found the end of the header".into()),
        ("{\"a\\".into(), 0, "header is not valid at byte 12: expected a character of a string or its closing '\"', found the end of the header".into()),
        ("{\"\\ud800\":{}}".into(), 0, "header is not valid at byte 10: expected a valid escape sequence in a string, found another one".into()),
        ("{\"a\\udc00\":{}}".into(), 0, "header is not valid at byte 11: expected a valid escape sequence in a string, found another one".into()),
        ("{\"\\ud800\\ud800\":{}}".into(), 0, "header is not valid at byte 10: expected a valid escape sequence in a string, found another one".into()),
        ("{\"\\x41\":{}}".into(), 0, "header is not valid at byte 10: expected a valid escape sequence in a string, found another one".into()),
        // Names.
        ("{\"\":{}}".into(), 0, "tensor with an empty name at byte 9, expected 1 byte or more".into()),
        ("{\"__metadata__\":{\"\":\"\"}}".into(), 0, "metadata field with an empty name at byte 25, expected 1 byte or more".into()),
        (format!("{{\"{wide}\":{{}}}}"), 0, format!("length in bytes of the name \"{}…\" is 257, expected at most 256 (limit name_bytes)", "x".repeat(80))),
        ("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}".into(), 0, "metadata field \"a\" appears twice, again at byte 32".into()),
        ("{\"__metadata__\":{},\"__metadata__\":{}}".into(), 0, "tensor \"__metadata__\" appears twice, again at byte 27".into()),
        ("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}".into(), 1, "tensor \"a\" appears twice, again at byte 61".into()),
        // Metadata.
        ("{\"__metadata__\":null}".into(), 0, "header is not valid at byte 24: expected '{' (start of __metadata__), found \"n\"".into()),
        ("{\"__metadata__\":{\"a\":1}}".into(), 0, "header is not valid at byte 29: expected a string (value of a metadata field), found \"1\"".into()),
        (format!("{{\"__metadata__\":{{{}}}}}", fields.join(",")), 0, "number of metadata fields is 1025, expected at most 1024 (limit metadata_fields)".into()),
        // Fields of a tensor.
        (entry("\"dtype\":\"U8\",\"dtype\":\"U8\""), 0, "tensor \"a\" has a second dtype at byte 27, expected one".into()),
        (entry("\"shape\":[1],\"shape\":[1]"), 0, "tensor \"a\" has a second shape at byte 26, expected one".into()),
        (entry("\"data_offsets\":[0,1],\"data_offsets\":[0,1]"), 0, "tensor \"a\" has a second data_offsets at byte 35, expected one".into()),
        (entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":0"), 1, "tensor \"a\" has a field \"x\" at byte 60, expected data_offsets, dtype and shape only".into()),
        (entry("\"dtype\":\"U8\",\"data_offsets\":[0,1]"), 1, "tensor \"a\" has no shape, expected data_offsets, dtype and shape".into()),
        (entry("\"dtype\":\"U8\",\"shape\":[1]"), 1, "tensor \"a\" has no data_offsets, expected data_offsets, dtype and shape".into()),
        (entry("\"dtype\":1"), 1, "header is not valid at byte 22: expected a string (dtype), found \"1\"".into()),
        (entry("\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]"), 2, "tensor \"a\" has dtype \"BF16\", supported are F32 and U8".into()),
        (entry("\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, "tensor \"a\" has dtype \"f32\", supported are F32 and U8".into()),
        (long_dtype, 1, format!("tensor \"a\" has dtype \"{}…\", supported are F32 and U8", "F".repeat(80))),
        // Shapes.
        (f32("[1.0]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number below 2^64 (shape), found \"1.0\"".into()),
        (f32("[-1]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number below 2^64 (shape), found \"-1\"".into()),
        (f32("[1e2]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number below 2^64 (shape), found \"1e2\"".into()),
        (f32("[01]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number below 2^64 (shape), found \"01\"".into()),
        (f32("[NaN]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number below 2^64 (shape), found \"NaN\"".into()),
        (f32("[\"1\"]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number (shape), found \"\\\"\"".into()),
        (f32("[18446744073709551616]", "[0,4]"), 4, "header is not valid at byte 37: expected a whole number below 2^64 (shape), found \"18446744073709551616\"".into()),
        (f32("null", "[0,4]"), 4, "header is not valid at byte 36: expected '[' (shape), found \"n\"".into()),
        (f32("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "rank of tensor \"a\" is 9, expected at most 8 (limit rank)".into()),
        (f32("[0]", "[0,0]"), 0, "tensor \"a\" has shape [0], expected no dimension of 0".into()),
        (f32("[4611686018427387904,4,0]", "[0,0]"), 0, "tensor \"a\" has shape [4611686018427387904, 4, 0], expected no dimension of 0".into()),
        (f32("[4611686018427387904,4]", "[0,0]"), 0, "tensor \"a\" has shape [4611686018427387904, 4], expected less than 2^64 bytes of F32".into()),
        (f32("[4611686018427387904]", "[0,0]"), 0, "tensor \"a\" has shape [4611686018427387904], expected less than 2^64 bytes of F32".into()),
        // Offsets.
        (f32("[1]", "[0]"), 4, "tensor \"a\" has data_offsets at byte 40 that are not two numbers, expected [begin, end]".into()),
        (f32("[1]", "[0,4,4]"), 4, "tensor \"a\" has data_offsets at byte 40 that are not two numbers, expected [begin, end]".into()),
        (f32("[1]", "[4,0]"), 4, "tensor \"a\" has data_offsets [4, 0], expected 4 bytes between them for F32 [1]".into()),
        (f32("[1]", "[0,3]"), 3, "tensor \"a\" has data_offsets [0, 3], expected 4 bytes between them for F32 [1]".into()),
        (f32("[2,3]", "[0,16]"), 16, "tensor \"a\" has data_offsets [0, 16], expected 24 bytes between them for F32 [2, 3]".into()),
        (f32("[1]", "[18446744073709551611,18446744073709551615]"), 4, "tensor \"a\" starts at byte 18446744073709551615, expected 100: the bytes between belong to no tensor".into()),
        (f32("[1]", "[4,8]"), 8, "tensor \"a\" starts at byte 66, expected 62: the bytes between belong to no tensor".into()),
        (two("[0,4]", "[5,9]"), 9, "tensor \"b\" starts at byte 118, expected 117: the bytes between belong to no tensor".into()),
        (two("[0,4]", "[3,7]"), 7, "tensor \"b\" starts at byte 116, expected 117: tensor \"a\" occupies the bytes before".into()),
        (two("[0,4]", "[0,4]"), 4, "tensor \"b\" starts at byte 113, expected 117: tensor \"a\" occupies the bytes before".into()),
        (f32("[1]", "[0,4]"), 3, "the file has 65 bytes, expected 66: its end is missing, from tensor \"a\" on".into()),
        (f32("[1]", "[0,4]"), 5, "the file has 67 bytes, expected 66: something follows the last tensor".into()),
        (f32("[4611686018427387903]", "[0,18446744073709551612]"), 4, "the file has 103 bytes, expected 18446744073709551615: its end is missing, from tensor \"a\" on".into()),
        ("{}".into(), 1, "the file has 11 bytes, expected 10: something follows the last tensor".into()),
        // Counts.
        (format!("{{{}}}", many.join(",")), 4097, "number of tensors is 4097, expected at most 4096 (limit tensors)".into()),
    ];
    for (header, payload, expected) in table {
        let bytes = file(&header, &vec![0; payload]);
        let shown: String = header.chars().take(200).collect();
        assert_eq!(plain_error(&bytes).to_string(), expected, "for {shown}");
    }
}

#[test]
fn hostile_lengths_are_refused_with_the_reason() {
    let with_length = |length: u64, rest: &[u8]| [&length.to_le_bytes(), rest].concat();
    let table = [
        (vec![], "the file has 0 bytes, expected 8: its end is missing"),
        (vec![1, 0, 0], "the file has 3 bytes, expected 8: its end is missing"),
        (with_length(3, b"{}"), "the file has 10 bytes, expected 11: its end is missing"),
        (with_length(16 << 20, b"{}"), "the file has 10 bytes, expected 16777224: its end is missing"),
        (
            with_length((16 << 20) + 1, b"{}"),
            "length of the header in bytes is 16777217, expected at most 16777216 (limit header_bytes)",
        ),
        (
            with_length(u64::MAX, b"{}"),
            "length of the header in bytes is 18446744073709551615, expected at most 16777216 (limit header_bytes)",
        ),
        (with_length(2, b"\xff\xfe"), "header is not valid at byte 8: expected UTF-8, found other bytes"),
        (with_length(3, b"{\"\xc3"), "header is not valid at byte 10: expected UTF-8, found other bytes"),
    ];
    for (bytes, expected) in table {
        assert_eq!(plain_error(&bytes).to_string(), expected);
    }
    // A length that no header limit forbids is still compared with the file.
    let limits = Limits { header_bytes: u64::MAX, ..Limits::default() };
    let error = read_plain(&with_length(u64::MAX, b"{}"), &limits).unwrap_err();
    assert!(matches!(error, Error::Truncated { found: 10, .. }), "{error}");
}

#[test]
fn every_limit_can_be_set() {
    let header = r#"{"__metadata__":{"xx":""},"a":{"dtype":"U8","shape":[1,1],"data_offsets":[0,1]}}"#;
    let bytes = file(header, b"1");
    let exact = Limits {
        file_bytes: bytes.len() as u64,
        header_bytes: header.len() as u64,
        tensors: 1,
        rank: 2,
        name_bytes: 12,
        metadata_fields: 1,
        json_depth: 0,
    };
    assert!(read_plain(&bytes, &exact).is_ok());
    let tighter = [
        Limits { file_bytes: exact.file_bytes - 1, ..exact.clone() },
        Limits { header_bytes: exact.header_bytes - 1, ..exact.clone() },
        Limits { tensors: 0, ..exact.clone() },
        Limits { rank: 1, ..exact.clone() },
        Limits { name_bytes: 11, ..exact.clone() },
        Limits { metadata_fields: 0, ..exact.clone() },
    ];
    let expected = ["file_bytes", "header_bytes", "tensors", "rank", "name_bytes", "metadata_fields"];
    for (limits, name) in tighter.iter().zip(expected) {
        let error = read_plain(&bytes, limits).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit_name, .. } if limit_name == name), "{error}");
    }
}

#[test]
fn the_writer_refuses_what_the_reader_would_refuse() {
    let wide = "x".repeat(257);
    let names: Vec<String> = (0..4097).map(|index| index.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| tensor(name, Dtype::U8, &[1], b"1")).collect();
    let table = [
        (vec![tensor("a", Dtype::U8, &[0], b"")], "tensor \"a\" has shape [0], expected no dimension of 0"),
        (vec![tensor("a", Dtype::F32, &[2], b"1234567")], "tensor \"a\" has 7 bytes of data, expected 8 for F32 [2]"),
        (
            vec![tensor("a", Dtype::U8, &[usize::MAX, 2], b"")],
            "tensor \"a\" has shape [18446744073709551615, 2], expected less than 2^64 bytes of U8",
        ),
        (vec![tensor("a", Dtype::U8, &[1], b"1"), tensor("a", Dtype::U8, &[1], b"1")], "tensor \"a\" appears twice"),
        (
            vec![tensor("__metadata__", Dtype::U8, &[1], b"1")],
            "tensor \"__metadata__\" has the name of the metadata, expected another one",
        ),
        (vec![tensor("", Dtype::U8, &[1], b"1")], "tensor with an empty name, expected 1 byte or more"),
        (vec![tensor("a", Dtype::U8, &[1; 9], b"1")], "rank of tensor \"a\" is 9, expected at most 8 (limit rank)"),
        (many, "number of tensors is 4097, expected at most 4096 (limit tensors)"),
    ];
    for (tensors, expected) in table {
        assert_eq!(write(&tensors, &cellstate()).unwrap_err().to_string(), expected);
    }
    let error = write(&[tensor(&wide, Dtype::U8, &[1], b"1")], &cellstate()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_name: "name_bytes", .. }), "{error}");

    let metadata = |field: &str, value: String| BTreeMap::from([(field.to_owned(), value)]);
    let error = write(&[], &metadata("", String::new())).unwrap_err();
    assert!(matches!(error, Error::NoName { what: "metadata field", .. }), "{error}");
    for value in ["x".repeat(17 << 20), "\"".repeat(9 << 20)] {
        let error = write(&[], &metadata("a", value)).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit_name: "header_bytes", .. }), "{error}");
    }
    let fields = (0..1024).map(|index| (index.to_string(), String::new())).collect();
    let error = write(&[], &fields).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_name: "metadata_fields", .. }), "{error}");
}

/// Names and metadata of any characters; mixed types; one to three dimensions.
fn tensors() -> impl Strategy<Value = BTreeMap<String, (bool, Vec<usize>, u8)>> {
    let name = "[a-z.\"\\\\\u{7f}é🐝\n]{1,12}".prop_filter("reserved", |name| name != "__metadata__");
    let shape = prop::collection::vec(1usize..5, 0..4);
    prop::collection::btree_map(name, (any::<bool>(), shape, any::<u8>()), 0..6)
}

/// The content as the reference implementation reads it.
type Reference = (BTreeMap<String, String>, BTreeMap<String, (String, Vec<usize>, Vec<u8>)>);

fn reference(bytes: &[u8]) -> Result<Reference, String> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let tensors = safetensors::SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let tensors = tensors
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype().to_string(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    Ok((metadata, tensors))
}

fn ours(bytes: &[u8]) -> Result<Reference, Error> {
    let file = read_plain(bytes, &Limits::default())?;
    let tensors = file
        .tensors
        .into_iter()
        .map(|tensor| (tensor.name, (tensor.dtype.name().to_owned(), tensor.shape, tensor.data.to_vec())))
        .collect();
    Ok((file.metadata, tensors))
}

/// Headers with at most a few things wrong, and the length of the payload that they describe.
fn almost_valid() -> impl Strategy<Value = (String, usize)> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "\\u0061", "é", "\\ud83d\\udc1d", "__metadata__"]);
    let dtype = prop::sample::select(vec![("U8", 1), ("U8", 1), ("F32", 4), ("F32", 4), ("F16", 2)]);
    let shape = prop::collection::vec(1usize..4, 0..3);
    // 0 to 9 are mistakes, everything above is none.
    let entry = (name, dtype, shape, 0..40u8).boxed();
    prop::collection::vec(entry, 0..5).prop_map(|entries| {
        let (mut header, mut end) = (String::from("{"), 0);
        for (index, (name, (dtype, size), shape, form)) in entries.iter().enumerate() {
            header += if index > 0 { "," } else { "" };
            if *name == "__metadata__" {
                header += &format!("\"__metadata__\": {{\"a\":\"{dtype}\"}}");
                continue;
            }
            let begin = end;
            end += shape.iter().product::<usize>() * size;
            let (begin, end, mut shape) = match form {
                0 => (begin + 1, end + 1, shape.clone()),
                1 => (begin.saturating_sub(1), end, shape.clone()),
                2 => (begin, end + 1, shape.clone()),
                3 => (begin, end, [shape.as_slice(), &[0]].concat()),
                4 => (0, end - begin, shape.clone()),
                _ => (begin, end, shape.clone()),
            };
            shape.resize(shape.len() + usize::from(*form == 11), 1);
            header += &match form {
                5 => format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?}}}"),
                6 => format!("\"{name}\":{{\"dtype\":\"U8\",\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}"),
                7 => format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}],\"k\":1}}"),
                8 => format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin}.0,{end}]}}"),
                9 => format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end},]}}"),
                10 => format!("\"{name}\"\t:{{ \"data_offsets\":[ {begin}\n,{end}],\"shape\":{shape:?} ,\"\\u0064type\":\"{dtype}\"}}"),
                _ => format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}"),
            };
        }
        header += "}";
        (header, end)
    })
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_is_written_is_read_by_both_and_equal(tensors in tensors(), metadata in prop::collection::btree_map("\\PC{1,6}", "\\PC{0,20}", 0..4)) {
        let data: BTreeMap<&str, Vec<u8>> = tensors
            .iter()
            .map(|(name, (float, shape, first))| {
                let count = shape.iter().product::<usize>() * if *float { 4 } else { 1 };
                (name.as_str(), (0..count).map(|index| first.wrapping_add(index as u8)).collect())
            })
            .collect();
        let list: Vec<Tensor> = tensors
            .iter()
            .rev()
            .map(|(name, (float, shape, _))| tensor(name, if *float { Dtype::F32 } else { Dtype::U8 }, shape, &data[name.as_str()]))
            .collect();
        let bytes = write(&list, &metadata).unwrap();

        let (found_metadata, found) = ours(&bytes).unwrap();
        prop_assert_eq!(reference(&bytes).unwrap(), (found_metadata.clone(), found.clone()));
        for (field, value) in &metadata {
            if field != "checksum" {
                prop_assert_eq!(found_metadata.get(field), Some(value));
            }
        }
        prop_assert_eq!(found.len(), list.len());
        for tensor in &list {
            let (dtype, shape, bytes) = &found[&tensor.name];
            prop_assert_eq!(dtype, tensor.dtype.name());
            prop_assert_eq!(shape, &tensor.shape);
            prop_assert_eq!(bytes, tensor.data);
        }
    }
}

proptest! {
    #![proptest_config(cases(50_000))]

    /// No parser differential: a file that is accepted here has one meaning.
    #[test]
    fn what_is_accepted_the_reference_accepts_and_reads_equally((header, length) in almost_valid(), more in 0usize..8) {
        // Seven times of eight the payload is as long as described.
        let bytes = file(&header, &vec![7; if more == 7 { length + 1 } else { length }]);
        if let Ok(content) = ours(&bytes) {
            prop_assert_eq!(reference(&bytes), Ok(content));
        }
    }
}
