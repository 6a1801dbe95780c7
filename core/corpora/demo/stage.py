"""The off-screen stage: meshes and a camera in VTK, installed with PyVista.

PyVista's plotter is not used, because its `screenshot` takes twice as long.
"""

import numpy as np

from affectscope.core.corpora.demo.assets import MISSING
from affectscope.core.errors import UserError

try:
    import vtkmodules.vtkInteractionStyle
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints, vtkUnsignedCharArray
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData, vtkPolyData
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkRenderingCore import (
        vtkActor,
        vtkPolyDataMapper,
        vtkRenderer,
        vtkRenderWindow,
        vtkTexture,
    )
except ImportError as error:
    raise UserError(MISSING) from error


class Surface:
    """One mesh on the stage: its points, colours and texture can change between frames."""

    def __init__(self, cells: np.ndarray, count: int, *, lines: bool = False, alpha: float = 1.0) -> None:
        """`cells` [Q, K] indices of `count` vertices: polygons, or polylines with `lines`; `alpha`: opacity, 0 to 1."""
        self.data = vtkPolyData()
        channels = 3 if alpha >= 1 else 4
        self._arrays = np.zeros((count, 3), np.float32), np.full((count, channels), round(alpha * 255), np.uint8)
        self._points, self._colours = (numpy_to_vtk(array) for array in self._arrays)
        points = vtkPoints()
        points.SetData(self._points)
        self.data.SetPoints(points)
        array = vtkCellArray()
        offsets = np.arange(0, cells.size + 1, cells.shape[1])
        array.SetData(numpy_to_vtkIdTypeArray(offsets, deep=True), numpy_to_vtkIdTypeArray(cells.ravel(), deep=True))
        self.data.SetLines(array) if lines else self.data.SetPolys(array)
        self.data.GetPointData().SetScalars(self._colours)
        mapper = vtkPolyDataMapper()
        mapper.SetInputData(self.data)
        self.actor = vtkActor()
        self.actor.SetMapper(mapper)
        # Colours are lit already.
        self.actor.GetProperty().LightingOff()
        if alpha < 1:
            self.actor.ForceTranslucentOn()
        self._picture = np.zeros((1, 1, 3), np.uint8)
        self._image = vtkImageData()

    def move(self, points: np.ndarray, colours: np.ndarray) -> None:
        """New `points` [N, 3] and lit `colours` [N, 3] uint8."""
        self._arrays[0][:] = points
        self._arrays[1][:, :3] = colours
        self._points.Modified()
        self._colours.Modified()
        self.data.GetPoints().Modified()
        self.data.Modified()

    def turn(self, rotation: np.ndarray, shift: np.ndarray) -> None:
        """Rotate the mesh by `rotation` [3, 3], then move it by `shift` [3]; its points are unchanged."""
        matrix = vtkMatrix4x4()
        for row in range(3):
            for column in range(3):
                matrix.SetElement(row, column, float(rotation[row, column]))
            matrix.SetElement(row, 3, float(shift[row]))
        self.actor.SetUserMatrix(matrix)

    def wear(self, coordinates: np.ndarray, height: int, width: int) -> None:
        """Give the mesh a texture [height, width, 3] at coordinates [N, 2] in 0..1, origin at the lower left."""
        self.data.GetPointData().SetTCoords(numpy_to_vtk(coordinates.astype(np.float32), deep=True))
        self._picture = np.full((height, width, 3), 255, np.uint8)
        self._image = vtkImageData()
        self._image.SetDimensions(width, height, 1)
        self._pixels = numpy_to_vtk(self._picture.reshape(-1, 3))
        self._image.GetPointData().SetScalars(self._pixels)
        texture = vtkTexture()
        texture.SetInputData(self._image)
        texture.InterpolateOn()
        texture.RepeatOff()
        self.actor.SetTexture(texture)

    def paint(self, picture: np.ndarray) -> None:
        """New `picture` [height, width, 3] uint8, first row on top; it multiplies the colours."""
        self._picture[:] = picture[::-1]
        self._pixels.Modified()
        self._image.Modified()


class Stage:
    """Surfaces in front of a fixed camera; `shoot` returns the picture."""

    def __init__(self, size: int, camera: tuple[tuple[float, ...], tuple[float, ...], float]) -> None:
        """`size` pixels square; `camera`: position, focal point, vertical view angle in degrees."""
        self.renderer = vtkRenderer()
        self.window = vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(size, size)
        self.window.SetMultiSamples(0)
        self.window.AddRenderer(self.renderer)
        self.renderer.SetAutomaticLightCreation(False)
        view = self.renderer.GetActiveCamera()
        view.SetPosition(*camera[0])
        view.SetFocalPoint(*camera[1])
        view.SetViewUp(0, 1, 0)
        view.SetViewAngle(camera[2])
        view.SetClippingRange(2, 40)
        self.size = size
        self._pixels = vtkUnsignedCharArray()

    def add(self, cells: np.ndarray, count: int, *, solid: bool = False, lines: bool = False, alpha: float = 1.0) -> Surface:
        """Add a mesh, or `lines`; of a `solid` one only the side facing the camera is drawn."""
        surface = Surface(cells, count, lines=lines, alpha=alpha)
        surface.actor.GetProperty().SetBackfaceCulling(solid)
        self.renderer.AddActor(surface.actor)
        return surface

    def remove(self, surface: Surface) -> None:
        self.renderer.RemoveActor(surface.actor)

    def backdrop(self, below: tuple[float, ...], above: tuple[float, ...]) -> None:
        """A plain background with a vertical colour gradient."""
        self.renderer.GradientBackgroundOn()
        self.renderer.SetBackground(*below)
        self.renderer.SetBackground2(*above)

    def shoot(self) -> np.ndarray:
        """The picture [size, size, 3] uint8, first row on top."""
        self.window.Render()
        self.window.GetPixelData(0, 0, self.size - 1, self.size - 1, 1, self._pixels, 0)
        return vtk_to_numpy(self._pixels).reshape(self.size, self.size, 3)[::-1].copy()
