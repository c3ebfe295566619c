//! Every layer and every option, one test each.

use crate::differences::check;
use cellstate_nn::Loss;

const SOFTMAX: &str = r#"{"kind":"dense","units":3,"activation":"softmax"}"#;

/// A recurrent layer with `options`: over features with an output a step, and in two directions over shared tokens.
fn check_recurrent(kind: &str, options: &str) {
    let layer = |units: usize, more: &str| format!(r#"{{"kind":"{kind}","units":{units}{more}{options}}}"#);
    let steps = layer(5, r#","returnSequences":true"#);
    check(&format!(r#"{{"kind":"input","features":3}},{steps},{SOFTMAX}"#), Loss::CATEGORICAL_CROSSENTROPY);
    let wide = if options.contains("goBackwards") {
        layer(17, "")
    } else {
        format!(r#"{{"kind":"bidirectional","layer":{}}}"#, layer(17, ""))
    };
    let words = r#"{"kind":"embedding","inputDim":7,"outputDim":6}"#;
    let last = r#"{"kind":"dense","units":2,"activation":"sigmoid"}"#;
    check(&format!("{words},{wide},{last}"), Loss::BINARY_CROSSENTROPY);
}

macro_rules! recurrent {
    ($($kind:ident { $($name:ident: $options:expr;)* })*) => {
        $(mod $kind {
            $(#[test]
            fn $name() {
                let kind = if stringify!($kind) == "simple_rnn" { "simpleRnn" } else { stringify!($kind) };
                super::check_recurrent(kind, $options);
            })*
        })*
    };
}

recurrent! {
    lstm {
        defaults: "";
        without_bias: r#","useBias":false"#;
        peepholes: r#","peepholes":true"#;
        projection: r#","projection":4"#;
        coupled_gates: r#","coupledGates":true"#;
        coupled_gates_with_peepholes: r#","coupledGates":true,"peepholes":true"#;
        cell_clip: r#","cellClip":0.3"#;
        cell_clip_with_peepholes: r#","cellClip":0.3,"peepholes":true"#;
        gate_clip: r#","gateClip":0.4"#;
        gate_clip_with_peepholes: r#","gateClip":0.4,"peepholes":true"#;
        gate_clip_with_coupled_gates: r#","gateClip":0.4,"coupledGates":true"#;
        layer_normalization: r#","layerNormalization":true"#;
        layer_normalization_without_bias: r#","layerNormalization":true,"useBias":false"#;
        layer_normalization_with_projection: r#","layerNormalization":true,"projection":4"#;
        layer_normalization_with_masks_per_gate: r#","layerNormalization":true,"dropout":0.3,"recurrentDropout":0.2,"dropoutMask":"perGate""#;
        layer_normalization_with_zoneout: r#","layerNormalization":true,"zoneoutHidden":0.3,"zoneoutCell":0.4"#;
        activation_relu: r#","activation":"relu""#;
        activation_linear: r#","activation":"linear""#;
        activation_sigmoid: r#","activation":"sigmoid""#;
        activation_hard_sigmoid: r#","activation":"hardSigmoid""#;
        activation_softsign: r#","activation":"softsign""#;
        activation_elu: r#","activation":"elu""#;
        recurrent_activation_hard_sigmoid: r#","recurrentActivation":"hardSigmoid""#;
        recurrent_activation_hard_sigmoid_legacy: r#","recurrentActivation":"hardSigmoidLegacy""#;
        recurrent_activation_tanh: r#","recurrentActivation":"tanh""#;
        recurrent_activation_relu: r#","recurrentActivation":"relu""#;
        recurrent_activation_linear: r#","recurrentActivation":"linear""#;
        recurrent_activation_softsign: r#","recurrentActivation":"softsign""#;
        recurrent_activation_elu: r#","recurrentActivation":"elu""#;
        dropout: r#","dropout":0.3"#;
        dropout_per_gate: r#","dropout":0.3,"dropoutMask":"perGate""#;
        recurrent_dropout: r#","recurrentDropout":0.3"#;
        recurrent_dropout_per_gate: r#","recurrentDropout":0.3,"dropoutMask":"perGate""#;
        both_dropouts: r#","dropout":0.2,"recurrentDropout":0.3"#;
        both_dropouts_per_gate: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate""#;
        dropouts_per_gate_with_coupled_gates: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate","coupledGates":true"#;
        recurrent_dropout_with_projection: r#","recurrentDropout":0.3,"projection":4"#;
        dropouts_per_gate_with_projection: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate","projection":4"#;
        weight_drop: r#","weightDrop":0.3"#;
        weight_drop_with_projection: r#","weightDrop":0.3,"projection":4"#;
        zoneout_hidden: r#","zoneoutHidden":0.4"#;
        zoneout_cell: r#","zoneoutCell":0.4"#;
        zoneout_of_both: r#","zoneoutHidden":0.3,"zoneoutCell":0.4"#;
        zoneout_with_peepholes: r#","zoneoutCell":0.4,"peepholes":true"#;
        zoneout_with_projection: r#","zoneoutHidden":0.3,"zoneoutCell":0.4,"projection":4"#;
        zoneout_with_cell_clip: r#","zoneoutCell":0.4,"cellClip":0.3,"peepholes":true"#;
        go_backwards: r#","goBackwards":true"#;
        go_backwards_with_dropouts_and_zoneout: r#","goBackwards":true,"dropout":0.2,"recurrentDropout":0.3,"zoneoutHidden":0.3,"zoneoutCell":0.3"#;
        kernel_regularizer: r#","kernelRegularizer":{"l1":0.01,"l2":0.02}"#;
        recurrent_regularizer: r#","recurrentRegularizer":{"l1":0.01,"l2":0.02},"peepholes":true,"projection":4"#;
        bias_regularizer: r#","biasRegularizer":{"l1":0.01,"l2":0.02}"#;
        activity_regularizer: r#","activityRegularizer":{"l1":0.01,"l2":0.02}"#;
        activation_regularization: r#","activationRegularization":0.7"#;
        temporal_activation_regularization: r#","temporalActivationRegularization":0.9"#;
        both_activation_regularizations_with_zoneout_and_projection: r#","activationRegularization":0.7,"temporalActivationRegularization":0.9,"zoneoutHidden":0.3,"projection":4"#;
        everything: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate","weightDrop":0.2,"zoneoutHidden":0.2,"zoneoutCell":0.3,"layerNormalization":true,"projection":4,"peepholes":true,"cellClip":0.9,"gateClip":1.5,"activationRegularization":0.7,"temporalActivationRegularization":0.9,"activityRegularizer":{"l1":0.01,"l2":0.02}"#;
        everything_coupled: r#","dropout":0.2,"recurrentDropout":0.3,"weightDrop":0.2,"zoneoutHidden":0.2,"zoneoutCell":0.3,"layerNormalization":true,"projection":4,"peepholes":true,"coupledGates":true,"cellClip":0.9,"gateClip":1.5"#;
    }
    gru {
        defaults: "";
        without_bias: r#","useBias":false"#;
        reset_before: r#","resetAfter":false"#;
        reset_before_without_bias: r#","resetAfter":false,"useBias":false"#;
        activation_relu: r#","activation":"relu""#;
        activation_softsign: r#","activation":"softsign""#;
        recurrent_activation_hard_sigmoid: r#","recurrentActivation":"hardSigmoid""#;
        recurrent_activation_hard_sigmoid_with_reset_before: r#","recurrentActivation":"hardSigmoidLegacy","resetAfter":false"#;
        dropout: r#","dropout":0.3"#;
        dropout_per_gate: r#","dropout":0.3,"dropoutMask":"perGate""#;
        dropout_per_gate_with_reset_before: r#","dropout":0.3,"dropoutMask":"perGate","resetAfter":false"#;
        recurrent_dropout: r#","recurrentDropout":0.3"#;
        recurrent_dropout_with_reset_before: r#","recurrentDropout":0.3,"resetAfter":false"#;
        recurrent_dropout_per_gate: r#","recurrentDropout":0.3,"dropoutMask":"perGate""#;
        recurrent_dropout_per_gate_with_reset_before: r#","recurrentDropout":0.3,"dropoutMask":"perGate","resetAfter":false"#;
        both_dropouts_per_gate: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate""#;
        both_dropouts_per_gate_with_reset_before: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate","resetAfter":false"#;
        weight_drop: r#","weightDrop":0.3"#;
        weight_drop_with_reset_before: r#","weightDrop":0.3,"resetAfter":false"#;
        zoneout_hidden: r#","zoneoutHidden":0.4"#;
        zoneout_hidden_with_reset_before: r#","zoneoutHidden":0.4,"resetAfter":false"#;
        go_backwards: r#","goBackwards":true"#;
        regularizers: r#","kernelRegularizer":{"l1":0.01,"l2":0.02},"recurrentRegularizer":{"l1":0.01,"l2":0.02},"biasRegularizer":{"l2":0.02}"#;
        penalties_of_outputs: r#","activityRegularizer":{"l1":0.01,"l2":0.02},"activationRegularization":0.7,"temporalActivationRegularization":0.9"#;
        everything: r#","dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate","weightDrop":0.2,"zoneoutHidden":0.3,"activationRegularization":0.7,"temporalActivationRegularization":0.9"#;
        everything_with_reset_before: r#","dropout":0.2,"recurrentDropout":0.3,"weightDrop":0.2,"zoneoutHidden":0.3,"resetAfter":false,"activationRegularization":0.7"#;
    }
    simple_rnn {
        defaults: "";
        without_bias: r#","useBias":false"#;
        activation_relu: r#","activation":"relu""#;
        activation_linear: r#","activation":"linear""#;
        activation_hard_sigmoid: r#","activation":"hardSigmoid""#;
        activation_elu: r#","activation":"elu""#;
        dropout: r#","dropout":0.3"#;
        recurrent_dropout: r#","recurrentDropout":0.3"#;
        both_dropouts_per_gate: r#","dropout":0.3,"recurrentDropout":0.3,"dropoutMask":"perGate""#;
        weight_drop: r#","weightDrop":0.3"#;
        zoneout_hidden: r#","zoneoutHidden":0.4"#;
        go_backwards: r#","goBackwards":true"#;
        regularizers: r#","kernelRegularizer":{"l1":0.01},"recurrentRegularizer":{"l2":0.02},"biasRegularizer":{"l1":0.01,"l2":0.02}"#;
        penalties_of_outputs: r#","activityRegularizer":{"l1":0.01,"l2":0.02},"activationRegularization":0.7,"temporalActivationRegularization":0.9"#;
        everything: r#","dropout":0.2,"recurrentDropout":0.3,"weightDrop":0.2,"zoneoutHidden":0.3,"activationRegularization":0.7"#;
    }
}

/// Whole models: layers, and the loss.
macro_rules! models {
    ($($name:ident: $loss:ident, $layers:expr;)*) => {
        $(#[test]
        fn $name() {
            check($layers, Loss::$loss);
        })*
    };
}

const LSTM: &str = r#"{"kind":"lstm","units":5,"returnSequences":true}"#;
const FEATURES: &str = r#"{"kind":"input","features":3}"#;
const WORDS: &str = r#"{"kind":"embedding","inputDim":7,"outputDim":5,"name":"words"}"#;

/// Layers between features with a recurrent layer and a softmax.
fn between(layers: &str) -> String {
    format!("{FEATURES},{LSTM},{layers},{SOFTMAX}")
}

macro_rules! layers {
    ($($name:ident: $layers:expr;)*) => {
        $(#[test]
        fn $name() {
            check(&between($layers), Loss::CATEGORICAL_CROSSENTROPY);
        })*
    };
}

layers! {
    dense_linear: r#"{"kind":"dense","units":4}"#;
    dense_without_bias: r#"{"kind":"dense","units":4,"useBias":false}"#;
    dense_relu: r#"{"kind":"dense","units":4,"activation":"relu"}"#;
    dense_sigmoid: r#"{"kind":"dense","units":4,"activation":"sigmoid"}"#;
    dense_tanh: r#"{"kind":"dense","units":4,"activation":"tanh"}"#;
    dense_softmax: r#"{"kind":"dense","units":4,"activation":"softmax"}"#;
    dense_hard_sigmoid: r#"{"kind":"dense","units":4,"activation":"hardSigmoid"}"#;
    dense_hard_sigmoid_legacy: r#"{"kind":"dense","units":4,"activation":"hardSigmoidLegacy"}"#;
    dense_softsign: r#"{"kind":"dense","units":4,"activation":"softsign"}"#;
    dense_elu: r#"{"kind":"dense","units":4,"activation":"elu"}"#;
    dense_regularizers: r#"{"kind":"dense","units":4,"activation":"tanh","kernelRegularizer":{"l1":0.01,"l2":0.02},"biasRegularizer":{"l1":0.02},"activityRegularizer":{"l1":0.02,"l2":0.03}}"#;
    dropout_of_steps: r#"{"kind":"dropout","rate":0.3}"#;
    spatial_dropout_of_steps: r#"{"kind":"spatialDropout","rate":0.3}"#;
    dropout_of_pooled_rows: r#"{"kind":"globalAveragePooling"},{"kind":"dropout","rate":0.3}"#;
    spatial_dropout_of_pooled_rows: r#"{"kind":"globalAveragePooling"},{"kind":"spatialDropout","rate":0.3}"#;
    layer_normalization: r#"{"kind":"layerNormalization"}"#;
    layer_normalization_without_center: r#"{"kind":"layerNormalization","center":false}"#;
    layer_normalization_without_scale: r#"{"kind":"layerNormalization","scale":false}"#;
    layer_normalization_with_regularizers: r#"{"kind":"layerNormalization","epsilon":0.01,"betaRegularizer":{"l1":0.01,"l2":0.02},"gammaRegularizer":{"l1":0.01,"l2":0.03}}"#;
    layer_normalization_of_rows: r#"{"kind":"globalAveragePooling"},{"kind":"layerNormalization"}"#;
    global_average_pooling: r#"{"kind":"globalAveragePooling"}"#;
    global_max_pooling: r#"{"kind":"globalMaxPooling"}"#;
    concat_pooling: r#"{"kind":"concatPooling"}"#;
    conv1d: r#"{"kind":"conv1d","filters":4,"kernelSize":3}"#;
    conv1d_of_even_size: r#"{"kind":"conv1d","filters":4,"kernelSize":4}"#;
    conv1d_causal: r#"{"kind":"conv1d","filters":4,"kernelSize":3,"padding":"causal"}"#;
    conv1d_dilated: r#"{"kind":"conv1d","filters":4,"kernelSize":3,"dilationRate":2}"#;
    conv1d_causal_and_dilated: r#"{"kind":"conv1d","filters":4,"kernelSize":2,"dilationRate":3,"padding":"causal"}"#;
    conv1d_relu_without_bias: r#"{"kind":"conv1d","filters":4,"kernelSize":3,"activation":"relu","useBias":false}"#;
    conv1d_with_regularizers: r#"{"kind":"conv1d","filters":4,"kernelSize":3,"activation":"tanh","kernelRegularizer":{"l1":0.01,"l2":0.02},"biasRegularizer":{"l1":0.02},"activityRegularizer":{"l1":0.02,"l2":0.03}}"#;
    conv1d_of_a_single_tap: r#"{"kind":"conv1d","filters":17,"kernelSize":1}"#;
    residual_lstm: r#"{"kind":"residual","layer":{"kind":"lstm","units":5,"returnSequences":true,"dropout":0.2,"zoneoutHidden":0.2}}"#;
    residual_projected_lstm: r#"{"kind":"residual","layer":{"kind":"lstm","units":7,"projection":5,"returnSequences":true}}"#;
    residual_gru: r#"{"kind":"residual","layer":{"kind":"gru","units":5,"returnSequences":true,"recurrentDropout":0.2}}"#;
    residual_simple_rnn: r#"{"kind":"residual","layer":{"kind":"simpleRnn","units":5,"returnSequences":true,"goBackwards":true}}"#;
    residual_bidirectional: r#"{"kind":"residual","layer":{"kind":"bidirectional","mergeMode":"sum","layer":{"kind":"gru","units":5,"returnSequences":true}}}"#;
    residual_dense: r#"{"kind":"residual","layer":{"kind":"dense","units":5,"activation":"tanh"}}"#;
    residual_dense_of_rows: r#"{"kind":"globalMaxPooling"},{"kind":"residual","layer":{"kind":"dense","units":5,"activation":"elu"}}"#;
    residual_conv1d: r#"{"kind":"residual","layer":{"kind":"conv1d","filters":5,"kernelSize":3,"activation":"softsign"}}"#;
    residual_with_regularizers: r#"{"kind":"residual","layer":{"kind":"lstm","units":5,"returnSequences":true,"kernelRegularizer":{"l2":0.02},"activationRegularization":0.5,"temporalActivationRegularization":0.4}}"#;
    residual_dense_with_an_activity_regularizer: r#"{"kind":"residual","layer":{"kind":"dense","units":5,"activityRegularizer":{"l1":0.02,"l2":0.3}}}"#;
    residual_lstm_with_an_activity_regularizer: r#"{"kind":"residual","layer":{"kind":"lstm","units":5,"returnSequences":true,"activityRegularizer":{"l1":0.02,"l2":0.3}}}"#;
    bidirectional_concat: r#"{"kind":"bidirectional","mergeMode":"concat","layer":{"kind":"lstm","units":3,"returnSequences":true}}"#;
    bidirectional_sum: r#"{"kind":"bidirectional","mergeMode":"sum","layer":{"kind":"lstm","units":3,"returnSequences":true}}"#;
    bidirectional_mul: r#"{"kind":"bidirectional","mergeMode":"mul","layer":{"kind":"lstm","units":3,"returnSequences":true}}"#;
    bidirectional_ave: r#"{"kind":"bidirectional","mergeMode":"ave","layer":{"kind":"lstm","units":3,"returnSequences":true}}"#;
    bidirectional_sum_of_last_outputs: r#"{"kind":"bidirectional","mergeMode":"sum","layer":{"kind":"gru","units":3}}"#;
    bidirectional_mul_of_last_outputs: r#"{"kind":"bidirectional","mergeMode":"mul","layer":{"kind":"gru","units":3}}"#;
    bidirectional_ave_of_last_outputs: r#"{"kind":"bidirectional","mergeMode":"ave","layer":{"kind":"simpleRnn","units":3}}"#;
    bidirectional_with_masks_and_penalties: r#"{"kind":"bidirectional","mergeMode":"ave","layer":{"kind":"lstm","units":3,"returnSequences":true,"dropout":0.2,"recurrentDropout":0.2,"dropoutMask":"perGate","weightDrop":0.2,"zoneoutHidden":0.2,"zoneoutCell":0.3,"activationRegularization":0.6,"temporalActivationRegularization":0.7,"activityRegularizer":{"l1":0.02,"l2":0.03}}}"#;
    frozen_layers: r#"{"kind":"bidirectional","trainable":false,"layer":{"kind":"lstm","units":3,"layerNormalization":true,"peepholes":true,"projection":4,"kernelRegularizer":{"l2":0.5},"returnSequences":true}},{"kind":"layerNormalization","trainable":false},{"kind":"conv1d","filters":3,"kernelSize":2,"trainable":false},{"kind":"attentionPooling","trainable":false},{"kind":"dense","units":4,"trainable":false}"#;
}

models! {
    two_directions_apart: MeanSquaredError, &format!(r#"{FEATURES},{{"kind":"bidirectional","mergeMode":null,"layer":{{"kind":"lstm","units":4}}}}"#);
    two_directions_apart_at_every_step: MeanSquaredError, &format!(r#"{FEATURES},{{"kind":"bidirectional","mergeMode":null,"layer":{{"kind":"gru","units":4,"returnSequences":true}}}}"#);
    word_dropout_with_shared_tokens: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":11,"outputDim":5,"dropout":0.3}},{LSTM},{SOFTMAX}"#);
    word_dropout_with_input_masks: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":11,"outputDim":5,"dropout":0.3}},{{"kind":"gru","units":5,"dropout":0.3}},{SOFTMAX}"#);
    word_dropout_without_sharing: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":11,"outputDim":5,"dropout":0.3}},{{"kind":"layerNormalization"}},{LSTM},{SOFTMAX}"#);
    embeddings_regularizer: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":11,"outputDim":5,"embeddingsRegularizer":{{"l1":0.01,"l2":0.02}}}},{LSTM},{SOFTMAX}"#);
    embedding_before_spatial_dropout: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"spatialDropout","rate":0.3}},{{"kind":"lstm","units":5}},{SOFTMAX}"#);
    embedding_before_dense: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"dense","units":4,"activation":"tanh"}},{LSTM},{SOFTMAX}"#);
    embedding_before_conv1d: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"conv1d","filters":4,"kernelSize":3}},{{"kind":"globalMaxPooling"}},{SOFTMAX}"#);
    embedding_before_a_residual_layer: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"residual","layer":{LSTM}}},{SOFTMAX}"#);
    embedding_before_attention_pooling: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"attentionPooling"}},{SOFTMAX}"#);
    embedding_before_concat_pooling: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"concatPooling"}},{SOFTMAX}"#);
    tied_at_every_step: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{LSTM},{{"kind":"dense","units":7,"activation":"softmax","tiedTo":"words"}}"#);
    tied_without_bias: BINARY_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"lstm","units":5}},{{"kind":"dense","units":7,"activation":"sigmoid","tiedTo":"words","useBias":false}}"#);
    tied_directly: CATEGORICAL_CROSSENTROPY, &format!(r#"{WORDS},{{"kind":"dense","units":7,"activation":"softmax","tiedTo":"words"}}"#);
    tied_with_word_dropout_and_regularizer: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":7,"outputDim":5,"dropout":0.3,"embeddingsRegularizer":{{"l2":0.1}},"name":"words"}},{LSTM},{{"kind":"dense","units":7,"activation":"softmax","tiedTo":"words","activityRegularizer":{{"l2":0.3}}}}"#);
    tied_to_a_frozen_embedding: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":7,"outputDim":5,"trainable":false,"name":"words"}},{LSTM},{{"kind":"dense","units":7,"activation":"softmax","tiedTo":"words"}}"#);
    attention_pooling: CATEGORICAL_CROSSENTROPY, &format!(r#"{FEATURES},{{"kind":"dense","units":5}},{{"kind":"attentionPooling"}},{SOFTMAX}"#);
    attention_pooling_with_units: CATEGORICAL_CROSSENTROPY, &format!(r#"{FEATURES},{{"kind":"dense","units":18}},{{"kind":"attentionPooling","units":3}},{SOFTMAX}"#);
    binary_crossentropy: BINARY_CROSSENTROPY, &format!(r#"{FEATURES},{LSTM},{{"kind":"dense","units":3,"activation":"sigmoid"}}"#);
    binary_crossentropy_of_one_output: BINARY_CROSSENTROPY, &format!(r#"{FEATURES},{{"kind":"lstm","units":5}},{{"kind":"dense","units":1,"activation":"sigmoid"}}"#);
    mean_squared_error: MeanSquaredError, &format!(r#"{FEATURES},{LSTM},{{"kind":"dense","units":3}}"#);
    mean_squared_error_of_a_softmax: MeanSquaredError, &format!(r#"{FEATURES},{LSTM},{SOFTMAX}"#);
    mean_squared_error_of_a_hard_sigmoid: MeanSquaredError, &format!(r#"{FEATURES},{LSTM},{{"kind":"dense","units":3,"activation":"hardSigmoid"}}"#);
    mean_squared_error_of_a_recurrent_layer: MeanSquaredError, &format!("{FEATURES},{LSTM}");
    activity_of_a_softmax: CATEGORICAL_CROSSENTROPY, &format!(r#"{FEATURES},{LSTM},{{"kind":"dense","units":3,"activation":"softmax","activityRegularizer":{{"l1":0.1,"l2":0.3}}}}"#);
    activity_of_a_sigmoid: BINARY_CROSSENTROPY, &format!(r#"{FEATURES},{LSTM},{{"kind":"dense","units":3,"activation":"sigmoid","activityRegularizer":{{"l1":0.1,"l2":0.3}}}}"#);
    activity_of_a_softmax_under_another_loss: MeanSquaredError, &format!(r#"{FEATURES},{LSTM},{{"kind":"dense","units":3,"activation":"softmax","activityRegularizer":{{"l2":0.3}}}}"#);
    activity_of_a_last_recurrent_layer: MeanSquaredError, &format!(r#"{FEATURES},{{"kind":"gru","units":3,"activityRegularizer":{{"l1":0.1,"l2":0.3}}}}"#);
    stacked_bidirectional_layers_with_dropout: CATEGORICAL_CROSSENTROPY, &format!(r#"{{"kind":"embedding","inputDim":7,"outputDim":5,"dropout":0.3}},{{"kind":"bidirectional","layer":{{"kind":"lstm","units":5,"returnSequences":true,"dropout":0.25,"recurrentDropout":0.25}}}},{{"kind":"dropout","rate":0.3}},{{"kind":"lstm","units":3,"returnSequences":true}},{SOFTMAX}"#);
}

#[test]
fn the_articles_model_at_three_odd_sizes() {
    for (inputs, units) in [(5, 7), (9, 17), (6, 33)] {
        check(
            &format!(
                r#"{{"kind":"embedding","inputDim":11,"outputDim":{inputs},"dropout":0.2}},
                {{"kind":"lstm","units":{units},"dropout":0.2,"recurrentDropout":0.2}},{SOFTMAX}"#
            ),
            Loss::CATEGORICAL_CROSSENTROPY,
        );
    }
}
