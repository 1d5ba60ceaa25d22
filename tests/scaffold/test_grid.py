import pytest

from scaffoldsim.config import ConfigError, load
from scaffoldsim.scaffold.grid import Faces, Grid, TooLarge, require_memory


def test_grid_knows_its_size():
    grid = Grid((2, 3, 4), 1e-5, (True, False, False))
    assert grid.n_voxels == 24
    assert grid.size == pytest.approx((2e-5, 3e-5, 4e-5))
    assert grid.voxel_volume == pytest.approx(1e-15)
    assert "\n" not in repr(grid)


@pytest.mark.parametrize(
    ("shape", "voxel", "kind", "message"),
    [
        ((0, 1, 1), 1e-5, ValueError, "positive counts"),
        ((1, 1), 1e-5, ValueError, "positive counts"),
        ((1, 1, 1), -1e-5, ValueError, "not a positive length"),
        ((2000, 2000, 2000), 1e-5, TooLarge, "coarser voxel"),
    ],
)
def test_impossible_grids_are_refused(shape, voxel, kind, message):
    with pytest.raises(kind, match=message):
        Grid(shape, voxel)


def test_memory_is_refused_with_both_numbers():
    with pytest.raises(TooLarge, match=r"needs about 1e\+09 GB of memory, and .* GB are free"):
        require_memory(1e18, "This")


@pytest.mark.parametrize(
    ("given", "face", "kind"),
    [
        ({"x": "host"}, "x+", "host"),
        ({"x": "host", "x+": "medium"}, "x+", "medium"),
        ({"x": "host", "x+": "medium"}, "x-", "host"),
        ({}, "z-", "closed"),
        (Faces.shorthand("medium"), "y-", "medium"),
    ],
)
def test_faces(given, face, kind):
    assert Faces.model_validate(given).kind(face) == kind


def test_both_faces_make_an_axis_periodic():
    faces = Faces.model_validate({"x": "periodic", "y-": "periodic", "y+": "periodic"})
    assert faces.periodic == (True, True, False)
    assert not list(faces.problems())


@pytest.mark.parametrize("given", [{"y-": "periodic"}, {"y": "periodic", "y+": "host"}])
def test_a_periodic_face_needs_its_opposite(given):
    ((place, message),) = Faces.model_validate(given).problems()
    assert place == ("y+",)
    assert "opposite a periodic face" in message


def test_a_config_says_where_a_face_is_wrong():
    with pytest.raises(ConfigError) as caught:
        load("quickstart", set={"faces": "periodik"})
    assert all("did you mean 'periodic'" in str(p) for p in caught.value.problems)
    assert {p.key for p in caught.value.problems} == {"faces.x", "faces.y", "faces.z"}
