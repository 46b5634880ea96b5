"""The names of a batch's pictures: safe everywhere, and never shared by two lines."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.batches.batch import BatchId
from shared.batches.outputs import LineNames, file_name, output_folder, output_key, stem_of, with_digest
from shared.ids import TenantId

ODD = st.text(st.sampled_from("aA0-._/\\ü\u0308 中:~%\n"), min_size=1, max_size=12)


def test_a_plain_custom_id_is_the_name_of_its_picture() -> None:
    for custom_id in ("mug-17", "SKU_0042", "spring.2026", "茶杯", "7", "line-1"):
        assert stem_of(custom_id) == custom_id
    assert file_name("mug-17", 0, 1, "png") == "mug-17.png"
    assert [file_name("mug-17", index, 2, "webp") for index in (0, 1)] == ["mug-17--0.webp", "mug-17--1.webp"]


def test_a_custom_id_that_is_no_file_name_gets_a_digest() -> None:
    bad = (
        "..",
        "../../etc/passwd",
        "a/b",
        "a b",
        "a--b",
        ".hidden",
        "-rf",
        "ends.",
        "CON",
        "nul.txt",
        "x" * 512,
        "u\u0308",
    )
    stems = [stem_of(custom_id) for custom_id in bad]
    assert [stem.rpartition("--")[0] for stem in stems] == [
        *("line", "etc_passwd", "a_b", "a_b", "a_b", "hidden", "rf", "ends", "CON", "nul.txt", "x" * 64, "ü"),
    ]
    assert len(set(stems)) == len(bad)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ODD, st.integers(1, 3)), max_size=12, unique_by=lambda line: line[0]))
def test_two_lines_never_share_a_name_even_where_case_is_ignored(lines: list[tuple[str, int]]) -> None:
    names = LineNames()
    files = [
        file_name(stem, index, n, "png")
        for custom_id, n in lines
        for stem in [names.stem(custom_id)]
        for index in range(n)
    ]
    assert len({name.casefold() for name in files}) == len(files)
    for name in files:
        assert "/" not in name
        assert "\\" not in name
        assert name.isprintable()
        assert name[0] not in ".-"
        assert len(name.encode()) <= 99


def test_the_key_of_a_copy_has_tenant_prefix_and_batch() -> None:
    folder = output_folder(TenantId("acme"), "catalogue/spring", BatchId("batch_x"))
    assert output_key(folder, "mug", 0, 1, "png") == "outputs/acme/catalogue/spring/batch_x/mug.png"
    assert with_digest("Mug") != with_digest("mug")
