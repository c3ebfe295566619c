//! The model file: round trips, what the reader insists on, digests.

mod common;

use std::collections::{BTreeMap, HashMap};

use cellstate_formats::{parameters_sha256, Error, Limits, ModelFile, Parameter, ReadOptions, FORMAT_VERSION};
use common::{cases, file, model, model_header, parameter, seal};
use proptest::prelude::*;

fn load(bytes: &[u8]) -> Result<ModelFile, Error> {
    ModelFile::from_bytes(bytes, &Limits::default(), ReadOptions::default())
}

#[test]
fn a_model_is_read_as_it_was_written() {
    let model = model(5);
    assert_eq!(load(&model.to_bytes().unwrap()).unwrap(), model);
}

#[test]
fn the_same_model_gives_the_same_bytes_in_any_order() {
    let first = model(5);
    let mut second = first.clone();
    second.parameters.reverse();
    let bytes = first.to_bytes().unwrap();
    assert_eq!(bytes, second.to_bytes().unwrap());
    assert_eq!(bytes, load(&bytes).unwrap().to_bytes().unwrap());
}

#[test]
fn a_model_without_parameters_and_documents_is_a_file_too() {
    let empty = ModelFile { parameters: Vec::new(), documents: BTreeMap::new(), ..model(1) };
    assert_eq!(load(&empty.to_bytes().unwrap()).unwrap(), empty);
}

#[test]
fn what_a_training_keeps_lies_beside_the_parameters_and_may_be_infinite() {
    let mut kept = parameter("optimizer/second_moment/dense.bias", &[2]);
    kept.values[1] = f32::INFINITY;
    let checkpoint = ModelFile { state: vec![kept], ..model(5) };
    let read = load(&checkpoint.to_bytes().unwrap()).unwrap();
    assert_eq!(read, checkpoint);
    assert_eq!(read.parameters_sha256(), model(5).parameters_sha256());
    let disguised = ModelFile { parameters: vec![parameter("state:optimizer", &[1])], ..model(5) };
    let error = disguised.to_bytes().unwrap_err().to_string();
    assert!(error.contains("expected a name that does not start with state:"), "{error}");
}

#[test]
fn the_reference_implementation_reads_equal_values() {
    let model = model(7);
    let bytes = model.to_bytes().unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata: &HashMap<String, String> = header.metadata().as_ref().unwrap();
    assert_eq!(metadata["config"], model.config);
    assert_eq!(metadata["format"], "cellstate");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), model.parameters.len() + model.documents.len());
    for parameter in &model.parameters {
        let view = tensors.tensor(&parameter.name).unwrap();
        assert_eq!(view.dtype(), safetensors::Dtype::F32);
        assert_eq!(view.shape(), parameter.shape);
        let values: Vec<f32> =
            view.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        assert_eq!(values, parameter.values);
    }
    for (name, text) in &model.documents {
        assert_eq!(tensors.tensor(&format!("document.{name}")).unwrap().data(), text.as_bytes());
    }
}

#[test]
fn a_newer_format_names_both_versions() {
    let header = model_header("{}", r#","w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}"#)
        .replace(r#""format_version":"1""#, r#""format_version":"3""#)
        .replace(r#""created_by":"0.1.0""#, r#""created_by":"1.4.0""#);
    let error = load(&seal(file(&header, b"12"))).unwrap_err();
    assert!(matches!(error, Error::NewerFormat { file: 3, supported: FORMAT_VERSION, .. }));
    assert_eq!(error.to_string(), "made by cellstate 1.4.0 with format 3, this version reads up to format 1");
}

#[test]
fn every_field_of_the_metadata_is_checked() {
    let table = [
        ("\"format\":\"cellstate\"", "\"format\":\"pt\"", "expected a cellstate model, found a safetensors file with 0 tensors and metadata field \"format\" = \"pt\""),
        ("\"checksum\"", "\"checksun\"", "metadata field \"checksum\" is missing, expected \"sha256:\" and 64 lower-case hexadecimal digits"),
        ("sha256:", "sha512:", "metadata field \"checksum\" is \"sha512:0000000000000000000000000000000000000000000000000000000000000000\", expected \"sha256:\" and 64 lower-case hexadecimal digits"),
        ("sha256:", "sha256\\u003a", "metadata field \"checksum\" is \"sha256\\\\u003a0000000000000000000000000000000000000000000000000000000000000000\", expected \"sha256:\" and 64 lower-case hexadecimal digits"),
        ("\"format_version\":\"1\"", "\"format_version\":\"01\"", "metadata field \"format_version\" is \"01\", expected a whole number from 1"),
        ("\"format_version\":\"1\"", "\"format_version\":\"0\"", "metadata field \"format_version\" is \"0\", expected a whole number from 1"),
        ("\"format_version\":\"1\"", "\"format_version\":\"4294967296\"", "metadata field \"format_version\" is \"4294967296\", expected a whole number from 1"),
        ("\"format_version\"", "\"format_versio\"", "metadata field \"format_version\" is missing, expected a text"),
        ("\"created_by\":\"0.1.0\"", "\"created_by\":\"\"", "metadata field \"created_by\" is \"\", expected a package version of at most 64 characters, like 1.4.0"),
        ("\"created_by\":\"0.1.0\"", "\"created_by\":\"1\\u001b[2J\"", "metadata field \"created_by\" is \"1\\u{1b}[2J\", expected a package version of at most 64 characters, like 1.4.0"),
        ("\"created_by\":\"0.1.0\",", "", "metadata field \"created_by\" is missing, expected a text"),
        ("\"config\":\"{}\",", "", "metadata field \"config\" is missing, expected a text"),
        ("\"config\":\"{}\"", "\"config\":\"{]\"", "config is not valid at byte 1: expected JSON, found an error: key must be a string at line 1 column 2"),
        ("\"format_version\":\"1\"", "\"format_version\":\"1\",\"time\":\"12:00\"", "metadata field \"time\" is \"12:00\", expected checksum, config, created_by, format and format_version only"),
    ];
    let header = model_header("{}", "");
    assert!(load(&seal(file(&header, b""))).is_ok());
    for (from, to, expected) in table {
        assert_eq!(header.matches(from).count(), 1, "{from}");
        let error = load(&seal(file(&header.replace(from, to), b""))).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn every_tensor_is_a_parameter_or_a_document() {
    let entry = |name: &str, dtype: &str, shape: &str, size: usize| {
        format!(",\"{name}\":{{\"data_offsets\":[0,{size}],\"dtype\":\"{dtype}\",\"shape\":{shape}}}")
    };
    let table: [(String, &[u8], &str); 9] = [
        (entry("w", "U8", "[1]", 1), b"1", "tensor \"w\" has dtype U8, expected F32 for a parameter or U8 for a document named document.<name>"),
        (entry("document.x", "F32", "[1]", 4), b"1234", "tensor \"document.x\" has dtype F32, expected F32 for a parameter or U8 for a document named document.<name>"),
        (entry("document.", "U8", "[1]", 1), b"1", "tensor \"document.\" is a document without a name, expected one after the point"),
        (entry("document.x", "U8", "[1,2]", 2), b"12", "tensor \"document.x\" has shape [1, 2], expected one dimension for a document"),
        (entry("document.x", "U8", "[]", 1), b"1", "tensor \"document.x\" has shape [], expected one dimension for a document"),
        (entry("document.x", "U8", "[3]", 3), b"\"\xff\"", "\"document.x\" is not valid at byte 1: expected UTF-8, found other bytes"),
        (entry("document.x", "U8", "[2]", 2), b"{1", "\"document.x\" is not valid at byte 1: expected JSON, found an error: key must be a string at line 1 column 2"),
        (entry("document.x", "U8", "[3]", 3), b"{}}", "\"document.x\" is not valid at byte 2: expected JSON, found an error: trailing characters at line 1 column 3"),
        (entry("document.x", "U8", "[130]", 130), &[[b'['; 65], [b']'; 65]].concat(), "nesting of \"document.x\" is 65, expected at most 64 (limit json_depth)"),
    ];
    for (rest, payload, expected) in table {
        let error = load(&seal(file(&model_header("{}", &rest), payload))).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_deep_configuration_is_refused() {
    let config = "[".repeat(100_000);
    let error = load(&seal(file(&model_header(&config, ""), b""))).unwrap_err();
    assert_eq!(error.to_string(), "nesting of config is 100000, expected at most 64 (limit json_depth)");
    let error = ModelFile { config, ..model(1) }.to_bytes().unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_name: "json_depth", .. }));
}

#[test]
fn a_wrong_checksum_shows_both_and_a_missing_end_is_named() {
    let mut bytes = model(3).to_bytes().unwrap();
    let length = bytes.len();
    let error = load(&bytes[..length - 7]).unwrap_err();
    let text = format!("the file has {} bytes, expected {length}: its end is missing", length - 7);
    assert_eq!(error.to_string(), format!("{text}, from tensor \"document.tokenizer\" on"));
    bytes.push(0);
    assert!(matches!(load(&bytes).unwrap_err(), Error::TrailingBytes { .. }));
    bytes.pop();
    bytes[length - 1] ^= 1;
    let error = load(&bytes).unwrap_err();
    let Error::Checksum { stated, computed } = &error else { panic!("{error}") };
    assert_ne!(stated, computed);
    assert_eq!(
        error.to_string(),
        format!("the file states checksum {stated}, its content has {computed}: it is damaged or was changed by another program")
    );
}

#[test]
fn values_that_are_not_finite_are_never_written_and_read_on_request_only() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut model = model(3);
        model.parameters[1].values[4] = value;
        let error = model.to_bytes().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("tensor \"dense.weight\" has {value} at index 4, expected a finite number")
        );

        let rest = ",\"w\":{\"data_offsets\":[0,8],\"dtype\":\"F32\",\"shape\":[2]}";
        let payload = [0f32.to_le_bytes(), value.to_le_bytes()].concat();
        let bytes = seal(file(&model_header("{}", rest), &payload));
        let error = load(&bytes).unwrap_err();
        assert!(matches!(error, Error::NonFinite { index: 1, .. }), "{error}");
        let options = ReadOptions { allow_non_finite: true };
        let read = ModelFile::from_bytes(&bytes, &Limits::default(), options).unwrap();
        assert_eq!(read.parameters[0].values[1].to_bits(), value.to_bits());
    }
}

#[test]
fn every_finite_bit_pattern_survives() {
    let values =
        vec![0.0, -0.0, f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(1), f32::MAX, f32::MIN, f32::EPSILON];
    let parameters = vec![Parameter { name: "w".to_owned(), shape: vec![8], values: values.clone() }];
    let read = load(&ModelFile { parameters, ..model(1) }.to_bytes().unwrap()).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.parameters[0].values), bits(&values));
}

#[test]
fn models_that_cannot_be_read_back_are_not_written() {
    let with = |change: &dyn Fn(&mut ModelFile)| {
        let mut model = model(3);
        change(&mut model);
        model.to_bytes().unwrap_err().to_string()
    };
    assert_eq!(
        with(&|model| model.format_version = 2),
        "metadata field \"format_version\" is 2, expected 1, the only one that is written"
    );
    assert!(with(&|model| model.created_by.clear()).starts_with("metadata field \"created_by\" is \"\""));
    assert!(with(&|model| model.config = "{a}".to_owned()).starts_with("config is not valid at byte 1"));
    assert!(with(&|model| model.config.clear()).starts_with("config is not valid at byte 0"));
    assert!(with(&|model| {
        model.documents.insert("x".to_owned(), "NaN".to_owned());
    })
    .starts_with("\"document.x\" is not valid at byte 0"));
    assert!(with(&|model| {
        model.documents.insert("x".to_owned(), String::new());
    })
    .starts_with("\"document.x\" is not valid at byte 0"));
    assert_eq!(
        with(&|model| {
            model.documents.insert(String::new(), "1".to_owned());
        }),
        "tensor \"document.\" is a document without a name, expected one after the point"
    );
    assert_eq!(
        with(&|model| model.parameters[0].name = "document.x".to_owned()),
        "tensor \"document.x\" is a parameter, expected a name that does not start with document."
    );
    assert_eq!(
        with(&|model| model.parameters.push(parameter("dense.bias", &[2]))),
        "tensor \"dense.bias\" appears twice"
    );
    assert_eq!(
        with(&|model| model.parameters[0].shape = vec![3]),
        "tensor \"dense.bias\" has 8 bytes of data, expected 12 for F32 [3]"
    );
    assert_eq!(
        with(&|model| model.parameters[0] = parameter("dense.bias", &[0])),
        "tensor \"dense.bias\" has shape [0], expected no dimension of 0"
    );
}

/// The expected digests are Python's hashlib over the bytes that the definition lists.
#[test]
fn the_digest_is_the_documented_one() {
    let weight: Vec<f32> = (0..6).map(|index| index as f32).collect();
    let parameters = [
        ("lstm.weight", &[2usize, 3][..], &weight[..]),
        ("bias", &[1][..], &[-0.5][..]),
        ("scale", &[][..], &[2.0][..]),
    ];
    let expected = "238c689b206251c3deecb774e9e8bedfa7e4509f552ca0c30b812a96b015a9d7";
    assert_eq!(parameters_sha256(parameters), expected);
    let mut reversed = parameters;
    reversed.reverse();
    assert_eq!(parameters_sha256(reversed), expected);
    assert_eq!(parameters_sha256([]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    let long: Vec<f32> = (0..10_000).map(|index| index as f32).collect();
    assert_eq!(
        parameters_sha256([("long", &[100, 100][..], &long[..])]),
        "3177938af544cfa7637fddeb130d3c78bc8652ec6c161a96e46841c79ab46cfc"
    );
}

#[test]
fn the_digest_depends_on_the_parameters_alone() {
    let first = model(4);
    let mut second = first.clone();
    second.parameters.reverse();
    second.created_by = "9.9.9".to_owned();
    second.documents.clear();
    assert_eq!(first.parameters_sha256(), second.parameters_sha256());
    second.parameters[0].values[0] += 1.0;
    assert_ne!(first.parameters_sha256(), second.parameters_sha256());
}

fn models() -> impl Strategy<Value = ModelFile> {
    let shape = prop::collection::vec(1usize..6, 0..4);
    let parameters = prop::collection::btree_map("[a-z0-9_./é]{1,20}", (shape, any::<u32>()), 0..8);
    let documents = prop::collection::btree_map("\\PC{1,10}", "\\PC{0,40}", 0..4);
    let state = prop::collection::btree_map("\\PC{1,10}", prop::collection::vec(any::<f32>(), 1..5), 0..4);
    ("[0-9]{1,2}\\.[0-9]\\.[0-9](-beta\\.[0-9])?", "\\PC{0,30}", parameters, documents, state).prop_map(
        |(created_by, config, parameters, documents, state)| ModelFile {
            format_version: FORMAT_VERSION,
            created_by,
            config: serde_json::to_string(&config).unwrap(),
            parameters: parameters
                .into_iter()
                .filter(|(name, _)| !name.starts_with("document."))
                .map(|(name, (shape, seed))| {
                    let count = shape.iter().product::<usize>() as u32;
                    // Any bits but those of an infinity or of no number.
                    let bits = |index: u32| f32::from_bits(seed.wrapping_mul(2 * index + 1) & !0x0080_0000);
                    Parameter { name, shape, values: (0..count).map(bits).collect() }
                })
                .collect(),
            documents: documents
                .into_iter()
                .map(|(name, text)| (name, serde_json::to_string(&[text]).unwrap()))
                .collect(),
            state: state
                .into_iter()
                .map(|(name, values)| Parameter { name, shape: vec![values.len()], values })
                .collect(),
        },
    )
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn any_model_is_read_as_it_was_written(model in models()) {
        let bytes = model.to_bytes().unwrap();
        let read = load(&bytes).unwrap();
        prop_assert_eq!(&read, &model);
        prop_assert_eq!(read.to_bytes().unwrap(), bytes.clone());
        prop_assert_eq!(read.parameters_sha256(), model.parameters_sha256());
        prop_assert!(safetensors::SafeTensors::deserialize(&bytes).is_ok());
    }
}
