"""Builds and checks the Android apps here, without Gradle: javac, dx, aapt, zipalign and apksigner.

What comes out has no ExecuTorch in it, since none can be had that way, and so runs nothing on a phone: it
proves that every class compiles against Android and ExecuTorch, becomes a dex, and makes a signed app.
"""
