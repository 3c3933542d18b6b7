"""What a Secret has, by its settings: which are a plan, and what is refused by which name."""

import dataclasses
import json
import re

import pytest

from rotator import errors
from rotator.plan import loader, presets, secret_consistency, secret_template, settings
from rotator.plan.plan import Target
from rotator.plan.presets import Preset
from rotator.plan.secret_consistency import Origin, of_data, of_preset, problems_of_placeholders
from rotator.plan.secret_form import SecretForm
from rotator.plan.secret_owners import COPY_ANNOTATIONS, COPY_LABELS, OWNER_ANNOTATIONS, OWNER_LABELS, TRACKING_ID
from rotator.plan.secret_types import Templates, Texts
from tests.fakes.examples import RESOURCE_ID, TARGET, plan
from tests.unit.plan.test_loader import SAMPLE

PREFIX = "KUBERNETES_SECRET_"
WHOLE_ACCOUNT = Origin(False, "SAS_ISSUER=storagekey", False, "SAS_CONTAINER")


def target(**changes: str) -> Target:
    (found,) = loader.load({**SAMPLE, **{PREFIX + name: text for name, text in changes.items()}}).targets
    return found


def problems(**changes: str) -> list[str]:
    with pytest.raises(errors.SettingsError) as caught:
        target(**changes)
    return caught.value.problems


def of_templates(text: str, source: Origin) -> list[str]:
    data = Templates({"a": secret_template.parse(text)})
    return problems_of_placeholders(of_data("KUBERNETES_SECRET_DATA", data), source)


def test_target_without_these_settings_has_the_sas_and_nothing_else() -> None:
    found = target()
    assert found.data_keys == ("secretKey",)
    assert found.form == SecretForm(Templates(), None, Texts(), Texts())
    assert found.form.content_hash is None


def test_data_names_each_key_and_its_template() -> None:
    found = target(DATA="cloud: |\n  A={sas}\n  B={account}\nurl: '{url}'")
    assert found.data_keys == ("cloud", "url")
    assert found.form.templates["cloud"].text == "A={sas}\nB={account}\n"


def test_targets_of_the_same_settings_are_one_and_others_are_not() -> None:
    one, other = '{"a": "{sas}", "b": "{url}"}', '{"b": "{url}", "a": "{sas}"}'
    assert target(DATA=one) == target(DATA=other)
    assert len({target(DATA=one), target(DATA=other), target(DATA='{"a": "{sas}"}'), target()}) == 3
    assert target(DATA=one).form.content_hash == target(DATA=other).form.content_hash


def test_settings_of_a_target_survive_a_change_of_another_one() -> None:
    found = target(DATA="a: '{sas}'", TYPE="example.com/sas", LABELS="team: blue", ANNOTATIONS="note: x")
    moved = dataclasses.replace(found, namespace="web")
    assert (moved.form, moved.data) == (found.form, found.data)
    assert dataclasses.replace(target(), namespace="web").data is None


def test_hash_changes_with_each_of_the_settings_and_with_nothing_else() -> None:
    base = {"DATA": "a: '{sas}'", "TYPE": "Opaque", "LABELS": "team: blue", "ANNOTATIONS": "note: x"}
    others = [
        {"DATA": "a: '{sas} '"},
        {"DATA": "b: '{sas}'"},
        {"TYPE": "example.com/sas"},
        {"LABELS": "team: red"},
        {"ANNOTATIONS": "note: y"},
        {"LABELS": "note: x", "ANNOTATIONS": "team: blue"},
    ]
    assert len({target(**{**base, **each}).form.content_hash for each in [{}, *others]}) == len(others) + 1
    assert target(**base, STRATEGY="apply").form.content_hash == target(**base).form.content_hash


def test_preset_is_a_ready_form_to_which_settings_add() -> None:
    found = target(PRESET="connection-string", LABELS="team: blue", TYPE="example.com/sas")
    assert found.form.templates == {"AZURE_STORAGE_CONNECTION_STRING": secret_template.parse("{connection_string}")}
    assert found.form.type == "example.com/sas"
    assert found.form.labels == {"team": "blue"}
    assert target(PRESET="connection-string").form.type == "Opaque"


def test_every_preset_is_made_of_templates_data_keys_labels_and_annotations_that_the_settings_take() -> None:
    for preset in Preset:
        ready = presets.of(preset)
        written = {"DATA": ready.data, "LABELS": ready.labels, "ANNOTATIONS": ready.annotations}
        texts = {PREFIX + name: json.dumps(dict(each)) for name, each in written.items()}
        found = settings.read(Target, {**SAMPLE, **texts, f"{PREFIX}TYPE": ready.type})
        assert found.form == dataclasses.replace(found, data=None, preset=preset).form


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("secretKey: {sas}", "the value of secretKey must be a text: in YAML, one with braces needs quotes"),
        ("a/b: '{sas}'", "'a/b' is no data key: Kubernetes wants at most 253 letters, digits, -, _ and ."),
        (f"{'a' * 254}: '{{sas}}'", f"'{'a' * 20}…' is no data key: Kubernetes wants at most 253 letters"),
        ("'..': '{sas}'", "'..' is no data key: Kubernetes wants at most 253 letters, digits, -, _ and ."),
        ("a: '{foo}'", "in 'a', {foo} is no placeholder: there are {sas}, "),
        ("a: '{'", "in 'a', the { at character 1 belongs to no placeholder: write a brace twice, as {{"),
        ("{}", "it has no data key"),
        ("x", "it must be a mapping in YAML or JSON"),
    ],
)
def test_wrong_data_is_refused_by_name_with_the_rule_and_an_example(text: str, reason: str) -> None:
    (problem,) = problems(DATA=text)
    assert problem.startswith(f"KUBERNETES_SECRET_DATA is wrong: {reason}")
    assert problem.endswith('; for example {"connectionString": "{connection_string}"}')


@pytest.mark.parametrize("name", ["LABELS", "ANNOTATIONS"])
@pytest.mark.parametrize("mark", [*OWNER_LABELS, *OWNER_ANNOTATIONS, *COPY_LABELS, *COPY_ANNOTATIONS, TRACKING_ID])
def test_mark_of_another_owner_is_refused_by_its_name(name: str, mark: str) -> None:
    (problem,) = problems(**{name: f'{{"team": "blue", "{mark}": "x"}}'})
    assert f"{mark} marks " in problem
    assert re.search(r"would overwrite|may overwrite or delete it", problem)


def test_switches_by_which_a_controller_leaves_the_secret_alone_are_taken() -> None:
    assert target(ANNOTATIONS="kustomize.toolkit.fluxcd.io/reconcile: disabled").form.annotations


@pytest.mark.parametrize("name", ["LABELS", "ANNOTATIONS"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rotator/digest: x", "rotator/digest is written by the rotator itself: leave it out"),
        ("app.kubernetes.io/managed-by: x", "is written by the rotator itself"),
        ("kubectl.kubernetes.io/last-applied-configuration: x", "is written by the rotator itself"),
        ("reflector.v1.k8s.emberstack.com/reflects: a/b", "marks a copy, which reflector would overwrite"),
        ("-a: x", "'-a' is no name: Kubernetes wants at most 63 letters"),
        ("a/b/c: x", "'a/b/c' is no name"),
        ("Example.com/a: x", "'Example.com/a' is no name"),
        ("/a: x", "'/a' is no name"),
        ("a/: x", "'a/' is no name"),
        (f"{'a' * 64}: x", f"'{'a' * 64}' is no name"),
        (f"{'a.' * 127}a/b: x", "is no name"),
    ],
)
def test_wrong_names_of_labels_and_annotations_are_refused(name: str, text: str, reason: str) -> None:
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"KUBERNETES_SECRET_{name} is wrong")
    assert reason in problem


@pytest.mark.parametrize("value", ["'-'", "a b", "'ü'", "'x/y'", "a" * 64])
def test_wrong_value_of_a_label_is_refused_and_right_for_an_annotation(value: str) -> None:
    (problem,) = problems(LABELS=f"team: {value}")
    assert "the value of the label 'team' must be empty, or at most 63 letters" in problem
    assert target(ANNOTATIONS=f"team: {value}").form.annotations["team"] == value.strip("'")


def test_usual_labels_and_annotations_are_taken() -> None:
    found = target(LABELS='{"cnpg.io/reload": true, "team": ""}', ANNOTATIONS="reloader.stakater.com/match: 'true'")
    assert found.form.labels == {"cnpg.io/reload": "true", "team": ""}
    assert found.form.annotations == {"reloader.stakater.com/match": "true"}


def test_annotations_that_kubernetes_would_refuse_together_are_refused() -> None:
    (problem,) = problems(ANNOTATIONS=f"a: {'x' * 262_144}")
    assert "all annotations together must not be longer than 262144 bytes" in problem


@pytest.mark.parametrize("text", ["a b", "/x", "x/", "Example.com/sas", "kubernetes.io/service-account-token"])
def test_wrong_type_is_refused(text: str) -> None:
    (problem,) = problems(TYPE=text)
    assert problem.startswith("KUBERNETES_SECRET_TYPE is wrong")


@pytest.mark.parametrize(
    ("text", "meant"), [("opaque", "Opaque"), ("OPAQUE", "Opaque"), ("kubernetes.io/TLS", "kubernetes.io/tls")]
)
def test_type_in_another_case_is_refused_with_the_one_that_is_meant(text: str, meant: str) -> None:
    (problem,) = problems(TYPE=text)
    assert problem == f"KUBERNETES_SECRET_TYPE is wrong ({text}): did you mean {meant}; for example Opaque"


@pytest.mark.parametrize(
    ("secret_type", "keys", "missing"),
    [
        ("kubernetes.io/tls", "tls.crt", "tls.key"),
        ("kubernetes.io/tls", "token", "tls.crt and tls.key"),
        ("kubernetes.io/dockerconfigjson", "token", ".dockerconfigjson"),
        ("kubernetes.io/dockercfg", ".dockerconfigjson", ".dockercfg"),
        ("kubernetes.io/basic-auth", "token", "username or password"),
        ("kubernetes.io/ssh-auth", "token", "ssh-privatekey"),
        ("bootstrap.kubernetes.io/token", "token-id", "token-secret"),
    ],
)
def test_type_of_kubernetes_is_refused_without_the_data_keys_that_it_requires(
    secret_type: str, keys: str, missing: str
) -> None:
    for settings_of_data, origin in (
        ({"KEY": keys}, "KUBERNETES_SECRET_KEY"),
        ({"DATA": f"{keys}: '{{sas}}'"}, "KUBERNETES_SECRET_DATA"),
    ):
        assert problems(TYPE=secret_type, **settings_of_data) == [
            f"KUBERNETES_SECRET_TYPE={secret_type} needs {missing} among the data keys, which {origin} does not "
            "have: write that there, or remove KUBERNETES_SECRET_TYPE"
        ]


def test_type_of_kubernetes_is_taken_with_its_data_keys() -> None:
    assert target(TYPE="kubernetes.io/tls", DATA="{tls.crt: '{sas}', tls.key: '{sas}'}").form.type
    assert target(TYPE="kubernetes.io/basic-auth", KEY="password").form.type
    assert target(TYPE="kubernetes.io/dockerconfigjson", KEY=".dockerconfigjson").form.type
    assert target(TYPE="example.com/sas").form.type == "example.com/sas"


def test_type_of_kubernetes_does_not_fit_to_a_preset_and_is_named_once_with_data_that_is_wrong() -> None:
    (problem,) = problems(TYPE="kubernetes.io/tls", PRESET="flux")
    assert "needs tls.crt and tls.key among the data keys, which KUBERNETES_SECRET_PRESET=flux does not have" in problem
    (problem,) = problems(TYPE="kubernetes.io/tls", DATA="a: '{foo}'")
    assert problem.startswith("KUBERNETES_SECRET_DATA is wrong")


def test_data_that_no_secret_can_have_is_refused() -> None:
    half = "x" * 524_288
    (problem,) = problems(DATA=f"a: '{half}{{sas}}'\nb: '{half}ü'")
    assert problem.startswith("KUBERNETES_SECRET_DATA is wrong: it is longer than 1048576 bytes, the most that Kuber")
    assert target(DATA=f"a: '{half}{{sas}}'\nb: '{half[100:]}'").data_keys == ("a", "b")


def test_every_pair_of_settings_that_exclude_each_other_is_refused_at_once() -> None:
    assert problems(DATA="a: '{sas}'", PRESET="connection-string", KEY="token", ENCODING="raw") == [
        "KUBERNETES_SECRET_DATA and KUBERNETES_SECRET_PRESET both say what the Secret's data is: remove one of them",
        "KUBERNETES_SECRET_KEY is for a Secret with one data key, but KUBERNETES_SECRET_DATA names them all: remove "
        "KUBERNETES_SECRET_KEY",
        "KUBERNETES_SECRET_ENCODING is for a Secret with one data key, but KUBERNETES_SECRET_DATA names them all: "
        "remove KUBERNETES_SECRET_ENCODING",
        "KUBERNETES_SECRET_KEY is for a Secret with one data key, but KUBERNETES_SECRET_PRESET has its own: remove "
        "KUBERNETES_SECRET_KEY",
        "KUBERNETES_SECRET_ENCODING is for a Secret with one data key, but KUBERNETES_SECRET_PRESET has its own: "
        "remove KUBERNETES_SECRET_ENCODING",
    ]


def test_problems_of_the_data_are_reported_with_all_others() -> None:
    found = problems(DATA="a: '{account_key}'", KEY="token", TYPE="a b")
    assert [each.partition(" ")[0] for each in found] == [f"{PREFIX}TYPE", f"{PREFIX}KEY", f"{PREFIX}DATA"]


def test_account_key_is_refused_unless_the_issuer_has_one() -> None:
    refused = [
        "KUBERNETES_SECRET_DATA needs {account_key}, and the issuer has no account key: set SAS_ISSUER=storagekey, or "
        "do without it"
    ]
    assert problems(DATA="a: '{sas}{account_key}'") == refused
    assert of_templates("{account_key}", WHOLE_ACCOUNT) == refused
    assert of_templates("{account_key}", dataclasses.replace(WHOLE_ACCOUNT, has_keys=True)) == []
    assert problems(PRESET="csi-file") == [refused[0].replace("DATA", "PRESET=csi-file")]


@pytest.mark.parametrize("used", ["{container}", "{container_url}"])
def test_container_is_refused_unless_the_sas_is_for_one(used: str) -> None:
    assert of_templates(f"{used}{{sas}}", WHOLE_ACCOUNT) == [
        f"KUBERNETES_SECRET_DATA needs {used}, and the SAS is for the whole account: set SAS_CONTAINER, or do without "
        "it"
    ]
    assert of_templates(f"{used}{{sas}}", dataclasses.replace(WHOLE_ACCOUNT, has_container=True)) == []


def test_preset_is_refused_by_what_it_is_made_for_too() -> None:
    needy = dataclasses.replace(of_preset("PRESET", Preset.CONNECTION_STRING), needs_key=True, needs_container=True)
    assert problems_of_placeholders(needy, WHOLE_ACCOUNT) == [
        "PRESET=connection-string needs the account key, and the issuer has no account key: set "
        "SAS_ISSUER=storagekey, or do without it",
        "PRESET=connection-string needs a container, and the SAS is for the whole account: set SAS_CONTAINER, or do "
        "without it",
    ]


@pytest.mark.parametrize("text", ["", "{account}", "{previous} {expires}", "{{sas}}"])
def test_data_without_any_credential_is_refused(text: str) -> None:
    assert problems(DATA=f'a: "{text}"') == [
        "KUBERNETES_SECRET_DATA has no SAS in any value: write {sas} where it belongs"
    ]


def test_secret_with_the_account_key_is_worth_a_warning() -> None:
    keyed = dataclasses.replace(TARGET, data=Templates({"a": secret_template.parse("{account_key}")}))
    (warning,) = secret_consistency.warnings(plan(TARGET, keyed))
    assert warning.startswith(f"KUBERNETES_SECRET_DATA: Secret {TARGET} holds the account key itself")
    (warning,) = secret_consistency.warnings(plan(dataclasses.replace(TARGET, preset=Preset.CSI_FILE)))
    assert warning.startswith("KUBERNETES_SECRET_PRESET: Secret")


def test_issuer_and_container_are_those_of_the_settings() -> None:
    mine = {
        "SAS_ISSUER": "storagekey",
        "STORAGE_ACCOUNT_ID": RESOURCE_ID,
        "SAS_CONTAINER": "pictures",
        f"{PREFIX}DATA": '{"key": "{account_key}", "url": "{container_url}"}',
    }
    plan_of = loader.load({**SAMPLE, **mine})
    assert [each for each in plan_of.warnings if "holds the account key itself" in each]
    with pytest.raises(errors.SettingsError) as caught:
        loader.load({**SAMPLE, **mine, "SAS_ISSUER": "userdelegation"})
    assert [each.partition(" needs ")[2].partition(",")[0] for each in caught.value.problems] == ["{account_key}"]


def test_no_message_quotes_a_template() -> None:
    (problem,) = problems(DATA="a: 'PASSWORD=hunter2 {foo}'")
    assert "hunter2" not in problem
    assert "hunter2" not in repr(target(DATA="a: 'PASSWORD=hunter2 {sas}'"))
