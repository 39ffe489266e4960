"""From artifacts to what an app is built with, a bundle (zip) or an Android library, and how to verify it."""
